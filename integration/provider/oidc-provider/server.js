// An OpenID provider for tests, on a Unix socket behind a TLS front that sets X-Forwarded-*.
//
//   node server.js CONFIG.json
//
// CONFIG.json: {socket, control, issuer, clientID, algorithm, idTokenLifetime, redirectURIs, users: [{name, email, email_verified, groups}]}.
// A request to the socket `control` makes the provider forget its signing key and use a new one; the answer is the new key's ID.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

// Not exported by the package. One store for all instances lets sessions and refresh tokens outlive a key.
import { createMemoryAdapter } from './node_modules/oidc-provider/lib/adapters/memory_adapter.js';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const adapter = createMemoryAdapter();
const cookieKeys = [randomBytes(32).toString('hex')];

function signingKey() {
  const pair = {
    RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: () => generateKeyPairSync('ed25519'),
  }[config.algorithm]();
  return {
    ...pair.privateKey.export({ format: 'jwk' }),
    alg: config.algorithm,
    kid: randomBytes(8).toString('hex'),
    use: 'sig',
  };
}

function findAccount(ctx, id) {
  const user = config.users.find(({ name }) => name === id);
  if (!user) {
    return undefined;
  }
  return { accountId: id, claims: () => ({ sub: id, ...user }) };
}

function newProvider(key) {
  const provider = new Provider(config.issuer, {
    adapter,
    claims: {
      openid: ['sub'],
      profile: ['name'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    clients: [{
      client_id: config.clientID,
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      redirect_uris: config.redirectURIs,
      id_token_signed_response_alg: config.algorithm,
    }],
    conformIdTokenClaims: false,
    cookies: { keys: cookieKeys },
    enabledJWA: { idTokenSigningAlgValues: [config.algorithm] },
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
    },
    findAccount,
    jwks: { keys: [key] },
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access'],
    ttl: {
      AccessToken: 3600,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Grant: 86400,
      IdToken: config.idTokenLifetime,
      Interaction: 3600,
      RefreshToken: 86400,
      Session: 86400,
    },
  });
  provider.proxy = true;
  return provider.callback();
}

let handle = newProvider(signingKey());
createServer((req, res) => handle(req, res)).listen(config.socket);

createServer((req, res) => {
  const key = signingKey();
  handle = newProvider(key);
  res.end(key.kid);
}).listen(config.control);
