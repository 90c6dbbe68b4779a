package gq_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"

	"opkssh/pkg/pktoken/gq"
)

var (
	signed  = []byte("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9")
	message = []byte("eyJhbGciOiJHUTI1NiJ9.eyJzdWIiOiJhbGljZSJ9")
)

func mustProve(tb testing.TB, key testKey) []byte {
	tb.Helper()
	proof, err := gq.Prove(rand.Reader, key.PublicKey, key.sign(signed), signed, message)
	if err != nil {
		tb.Fatal(err)
	}
	return proof
}

func TestProofsVerifyHereAndInReference(t *testing.T) {
	for _, key := range testKeys(t) {
		t.Run(key.name, func(t *testing.T) {
			ours := mustProve(t, key)
			theirs := refProve(key.PublicKey, key.sign(signed), signed, message)
			for name, proof := range map[string][]byte{"ours": ours, "theirs": theirs} {
				if len(proof) != gq.ProofSize(key.PublicKey) {
					t.Errorf("%s: expected %d bytes got %d", name, gq.ProofSize(key.PublicKey), len(proof))
				}
				if err := gq.Verify(key.PublicKey, proof, signed, message); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if !refVerify(key.PublicKey, proof, signed, message) {
					t.Errorf("%s: the reference refuses it", name)
				}
			}
			again := mustProve(t, key)
			if bytes.Equal(ours, again) {
				t.Error("two proofs are the same")
			}
		})
	}
}

func TestVerifyOtherImplementation(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) == 0 {
		t.Fatal("no vector with a GQ256 proof")
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			if err := gq.Verify(v.key, v.proof, v.signed, v.message); err != nil {
				t.Error(err)
			}
			if err := gq.Verify(v.key, v.proof, v.message, v.signed); !errors.Is(err, gq.ErrProof) {
				t.Errorf("signed and message exchanged: expected %v got %v", gq.ErrProof, err)
			}
		})
	}
}

// call is what Verify is called with.
type call struct {
	sizes
	key                    *rsa.PublicKey
	proof, signed, message []byte
}

// answer returns the bytes of S_i, counted from 0.
func (c *call) answer(i int) []byte { return c.proof[c.t*c.vb+i*c.k:][:c.k] }

func TestVerifyRefusesChanges(t *testing.T) {
	for _, key := range testKeys(t) {
		good := mustProve(t, key)
		for _, test := range []struct {
			name   string
			want   error
			change func(c *call)
		}{
			{"other message", gq.ErrProof, func(c *call) { c.message = []byte("other") }},
			{"no message", gq.ErrProof, func(c *call) { c.message = nil }},
			{"message a byte longer", gq.ErrProof, func(c *call) { c.message = append(bytes.Clone(message), 0) }},
			{"other signed", gq.ErrProof, func(c *call) { c.signed = []byte("other") }},
			{"no signed", gq.ErrProof, func(c *call) { c.signed = nil }},
			{"other modulus", gq.ErrProof, func(c *call) {
				c.key = &rsa.PublicKey{N: new(big.Int).Add(key.N, big.NewInt(2)), E: key.E}
			}},
			{"first question", gq.ErrProof, func(c *call) { c.proof[0] ^= 1 }},
			{"last question", gq.ErrProof, func(c *call) { c.proof[c.t*c.vb-1] ^= 1 }},
			{"first answer", gq.ErrProof, func(c *call) { c.answer(0)[c.k-1] ^= 1 }},
			{"last answer", gq.ErrProof, func(c *call) { c.answer(c.t - 1)[c.k-1] ^= 1 }},
			{"answer negated", gq.ErrProof, func(c *call) {
				s := new(big.Int).SetBytes(c.answer(0))
				s.Sub(key.N, s).FillBytes(c.answer(0))
			}},
			{"answer repeated", gq.ErrProof, func(c *call) { copy(c.answer(1), c.answer(0)) }},
			{"answers exchanged", gq.ErrProof, func(c *call) {
				s := bytes.Clone(c.answer(0))
				copy(c.answer(0), c.answer(1))
				copy(c.answer(1), s)
			}},
			{"first answer zero", gq.ErrMalformed, func(c *call) { clear(c.answer(0)) }},
			{"last answer the modulus", gq.ErrMalformed, func(c *call) { key.N.FillBytes(c.answer(c.t - 1)) }},
			{"answer all ones", gq.ErrMalformed, func(c *call) { copy(c.answer(0), bytes.Repeat([]byte{0xff}, c.k)) }},
			{"empty", gq.ErrMalformed, func(c *call) { c.proof = nil }},
			{"questions only", gq.ErrMalformed, func(c *call) { c.proof = c.proof[:c.t*c.vb] }},
			{"a byte short", gq.ErrMalformed, func(c *call) { c.proof = c.proof[:len(c.proof)-1] }},
			{"an answer short", gq.ErrMalformed, func(c *call) { c.proof = c.proof[:len(c.proof)-c.k] }},
			{"a byte long", gq.ErrMalformed, func(c *call) { c.proof = append(c.proof, 0) }},
			{"an answer long", gq.ErrMalformed, func(c *call) { c.proof = append(c.proof, c.answer(0)...) }},
			{"a round long", gq.ErrMalformed, func(c *call) { c.proof = append(c.proof, c.proof[:c.vb+c.k]...) }},
			{"twice", gq.ErrMalformed, func(c *call) { c.proof = append(c.proof, c.proof...) }},
		} {
			t.Run(key.name+"/"+test.name, func(t *testing.T) {
				c := call{sizesOf(key.PublicKey), key.PublicKey, bytes.Clone(good), signed, message}
				test.change(&c)
				if err := gq.Verify(c.key, c.proof, c.signed, c.message); !errors.Is(err, test.want) {
					t.Errorf("expected %v got %v", test.want, err)
				}
				if refVerify(c.key, c.proof, c.signed, c.message) {
					t.Error("the reference accepts it")
				}
			})
		}
	}
}

func TestVerifyRefusesOtherExponent(t *testing.T) {
	key := key2048()
	other := &rsa.PublicKey{N: key.N, E: 65539}
	if err := gq.Verify(other, mustProve(t, key), signed, message); !errors.Is(err, gq.ErrProof) {
		t.Errorf("expected %v got %v", gq.ErrProof, err)
	}
}

// With answers that are 0 modulo n every commitment is 0, whatever the questions: the hash is known beforehand, and
// anybody could make a proof without a signature.
func TestVerifyRefusesForgeryFromZeros(t *testing.T) {
	for _, key := range testKeys(t) {
		size := sizesOf(key.PublicKey)
		zeros := make([]*big.Int, size.t)
		for i := range zeros {
			zeros[i] = new(big.Int)
		}
		for name, answer := range map[string]*big.Int{"zero": new(big.Int), "modulus": key.N} {
			forged := refAsk(size, zeros, message)
			for range size.t {
				forged = append(forged, answer.FillBytes(make([]byte, size.k))...)
			}
			if err := gq.Verify(key.PublicKey, forged, signed, message); !errors.Is(err, gq.ErrMalformed) {
				t.Errorf("%s, %s: expected %v got %v", key.name, name, gq.ErrMalformed, err)
			}
		}
	}
}

// Without the signature one can choose questions and answers first, and look for a message with a hash like the
// questions. A byte of it is soon found; all of them have to be compared.
func TestVerifyComparesAllQuestions(t *testing.T) {
	key := key2048()
	size, g := sizesOf(key.PublicKey), refEncode(256, signed)
	forged := make([]byte, size.t*size.vb, gq.ProofSize(key.PublicKey))
	w := make([]*big.Int, size.t)
	for i := range w {
		s := big.NewInt(int64(i + 2))
		forged = append(forged, s.FillBytes(make([]byte, size.k))...)
		w[i] = s.Exp(s, big.NewInt(int64(key.E)), key.N)
		forged[2*i], forged[2*i+1] = 1, byte(i)
		w[i].Mod(w[i].Mul(w[i], new(big.Int).Exp(g, big.NewInt(int64(256+i)), key.N)), key.N)
	}
	for _, at := range []int{0, 1, size.t*size.vb - 1} {
		counter := []byte{0, 0}
		for hash := refAsk(size, w, counter); hash[at] != forged[at]; hash = refAsk(size, w, counter) {
			if counter[0]++; counter[0] == 0 {
				counter[1]++
			}
		}
		if err := gq.Verify(key.PublicKey, forged, signed, counter); !errors.Is(err, gq.ErrProof) {
			t.Errorf("byte %d: expected %v got %v", at, gq.ErrProof, err)
		}
	}
}

// S_i + n is the same number modulo n: a second proof from a first one, if it fits.
func TestVerifyRefusesAnswerPlusModulus(t *testing.T) {
	key := key2050()
	size, proof := sizesOf(key.PublicKey), mustProve(t, key)
	s := proof[len(proof)-size.k:]
	new(big.Int).Add(new(big.Int).SetBytes(s), key.N).FillBytes(s)
	if err := gq.Verify(key.PublicKey, proof, signed, message); !errors.Is(err, gq.ErrMalformed) {
		t.Errorf("expected %v got %v", gq.ErrMalformed, err)
	}
}

func TestUnusableKeys(t *testing.T) {
	n, overflow := key2048().N, math.MaxInt32
	overflow += 2 // negative where int has 32 bits
	shift := func(bits uint) *big.Int { return new(big.Int).Add(new(big.Int).Lsh(one, bits), one) }
	for _, test := range []struct {
		name string
		key  *rsa.PublicKey
	}{
		{"nil", nil},
		{"empty", &rsa.PublicKey{}},
		{"no modulus", &rsa.PublicKey{E: 65537}},
		{"modulus zero", &rsa.PublicKey{N: new(big.Int), E: 65537}},
		{"modulus one", &rsa.PublicKey{N: big.NewInt(1), E: 65537}},
		{"modulus negative", &rsa.PublicKey{N: new(big.Int).Neg(n), E: 65537}},
		{"modulus of 1024 bits", &rsa.PublicKey{N: shift(1023), E: 65537}},
		{"modulus of 2047 bits", &rsa.PublicKey{N: shift(2046), E: 65537}},
		{"modulus of 8193 bits", &rsa.PublicKey{N: shift(8192), E: 65537}},
		{"modulus even", &rsa.PublicKey{N: new(big.Int).Add(n, one), E: 65537}},
		{"exponent negative", &rsa.PublicKey{N: n, E: -3}},
		{"exponent 0", &rsa.PublicKey{N: n}},
		{"exponent 1", &rsa.PublicKey{N: n, E: 1}},
		{"exponent 2", &rsa.PublicKey{N: n, E: 2}},
		{"exponent even", &rsa.PublicKey{N: n, E: 65536}},
		{"exponent too large", &rsa.PublicKey{N: n, E: overflow}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if size := gq.ProofSize(test.key); size != 0 {
				t.Errorf("expected proofs of 0 bytes got %d", size)
			}
			if err := gq.Verify(test.key, make([]byte, 4128), signed, message); !errors.Is(err, gq.ErrKey) {
				t.Errorf("verify: expected %v got %v", gq.ErrKey, err)
			}
			if _, err := gq.Prove(rand.Reader, test.key, make([]byte, 256), signed, message); !errors.Is(err, gq.ErrKey) {
				t.Errorf("prove: expected %v got %v", gq.ErrKey, err)
			}
		})
	}
}

func TestProofSize(t *testing.T) {
	n, largest := key2048().N, new(big.Int).SetBit(big.NewInt(1), 8191, 1)
	for _, test := range []struct {
		key  rsa.PublicKey
		want int
	}{
		{rsa.PublicKey{N: n, E: 65537}, 16*2 + 16*256},
		{rsa.PublicKey{N: n, E: 65535}, 18*2 + 18*256},
		{rsa.PublicKey{N: n, E: 3}, 256*1 + 256*256},
		{rsa.PublicKey{N: n, E: 257}, 32*1 + 32*256},
		{rsa.PublicKey{N: n, E: 513}, 29*2 + 29*256},
		{rsa.PublicKey{N: n, E: math.MaxInt32}, 9*4 + 9*256},
		{rsa.PublicKey{N: key2050().N, E: 65537}, 16*2 + 16*257},
		{rsa.PublicKey{N: largest, E: 65537}, 16*2 + 16*1024},
	} {
		if got := gq.ProofSize(&test.key); got != test.want {
			t.Errorf("%d bits, e=%d: expected %d got %d", test.key.N.BitLen(), test.key.E, test.want, got)
		}
	}
}

func TestProveRefusesWrongSignature(t *testing.T) {
	for _, key := range testKeys(t) {
		sig := key.sign(signed)
		flipped := bytes.Clone(sig)
		flipped[len(sig)-1] ^= 1
		negated := new(big.Int).Sub(key.N, new(big.Int).SetBytes(sig)).FillBytes(make([]byte, len(sig)))
		for name, wrong := range map[string][]byte{
			"none":               nil,
			"zero":               make([]byte, len(sig)),
			"flipped bit":        flipped,
			"negated":            negated,
			"over another text":  key.sign(message),
			"a byte short":       sig[:len(sig)-1],
			"a byte longer":      append(bytes.Clone(sig), 0),
			"a zero byte before": append([]byte{0}, sig...),
		} {
			if _, err := gq.Prove(rand.Reader, key.PublicKey, wrong, signed, message); !errors.Is(err, gq.ErrSignature) {
				t.Errorf("%s, %s: expected %v got %v", key.name, name, gq.ErrSignature, err)
			}
		}
	}
}

// A modulus with the factor 3, and a text whose encoding has it too: the signature verifies and has no inverse.
func TestProveRefusesSignatureWithoutInverse(t *testing.T) {
	three, base := big.NewInt(3), modulus2048()
	m := modulus{n: new(big.Int).Mul(base.n, three), order: new(big.Int).Lsh(base.order, 1)}
	key := m.key("", 65537)
	text := []byte{0}
	for new(big.Int).Mod(refEncode(sizesOf(key.PublicKey).k, text), three).Sign() != 0 {
		text[0]++
	}
	if _, err := gq.Prove(rand.Reader, key.PublicKey, key.sign(text), text, message); !errors.Is(err, gq.ErrKey) {
		t.Errorf("expected %v got %v", gq.ErrKey, err)
	}
}

func TestProveKeepsItsArguments(t *testing.T) {
	key := key2048()
	sig := key.sign(signed)
	s, m, before := bytes.Clone(signed), bytes.Clone(message), bytes.Clone(sig)
	n := new(big.Int).Set(key.N)
	if _, err := gq.Prove(rand.Reader, key.PublicKey, sig, s, m); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sig, before) || !bytes.Equal(s, signed) || !bytes.Equal(m, message) || n.Cmp(key.N) != 0 {
		t.Error("an argument has changed")
	}
}

// Numbers out of [1, n) are drawn again, unused bits of the first byte are ignored, and nothing else is done to what
// random returns: r_i = S_i·sig^(R_i) is what was drawn.
func TestProveDrawsUniformly(t *testing.T) {
	key := key2050()
	size, sig := sizesOf(key.PublicKey), key.sign(signed)
	number := func(x *big.Int) []byte { return x.FillBytes(make([]byte, size.k)) }
	largest := new(big.Int).Sub(key.N, one)
	unusedBits := number(largest)
	unusedBits[0] |= 0xfc

	var stream []byte
	for _, block := range [][]byte{
		make([]byte, size.k),
		number(one),
		number(key.N),
		number(new(big.Int).Add(key.N, one)),
		number(largest),
		unusedBits,
	} {
		stream = append(stream, block...)
	}
	drawn := []*big.Int{one, largest, largest}
	for i := len(drawn); i < size.t; i++ {
		x := big.NewInt(int64(1000 + i))
		drawn = append(drawn, x)
		stream = append(stream, number(x)...)
	}

	random := bytes.NewReader(stream)
	proof, err := gq.Prove(random, key.PublicKey, sig, signed, message)
	if err != nil {
		t.Fatal(err)
	}
	if random.Len() != 0 {
		t.Errorf("%d random bytes are left", random.Len())
	}
	for i, want := range drawn {
		r := new(big.Int).SetBytes(proof[i*size.vb:][:size.vb])
		r.Exp(new(big.Int).SetBytes(sig), r, key.N)
		r.Mul(r, new(big.Int).SetBytes(proof[size.t*size.vb+i*size.k:][:size.k])).Mod(r, key.N)
		if r.Cmp(want) != 0 {
			t.Errorf("round %d: expected %v got %v", i, want, r)
		}
	}
}

// constant is a random source that is stuck.
type constant byte

func (c constant) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{byte(c)}, len(p)))
	return len(p), nil
}

func TestProveBrokenRandom(t *testing.T) {
	key := key2048()
	sig := key.sign(signed)
	for name, random := range map[string]io.Reader{"zeros": constant(0), "ones": constant(0xff)} {
		if proof, err := gq.Prove(random, key.PublicKey, sig, signed, message); err == nil || proof != nil {
			t.Errorf("%s: expected an error got a proof", name)
		}
	}
	ends := io.LimitReader(rand.Reader, 256*15+255)
	if _, err := gq.Prove(ends, key.PublicKey, sig, signed, message); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("source that ends: expected %v got %v", io.ErrUnexpectedEOF, err)
	}
}

// disturber changes a byte while the proof is being made.
type disturber struct{ b *byte }

func (d disturber) Read(p []byte) (int, error) {
	*d.b ^= 1
	return rand.Read(p)
}

func TestProveReturnsNoFalseProof(t *testing.T) {
	key := key2048()
	text := bytes.Clone(signed)
	random := io.MultiReader(io.LimitReader(disturber{&text[0]}, 256), rand.Reader) // one change
	proof, err := gq.Prove(random, key.PublicKey, key.sign(signed), text, message)
	if !errors.Is(err, gq.ErrProof) || proof != nil {
		t.Errorf("expected %v got %v", gq.ErrProof, err)
	}
}

type vector struct {
	name                   string
	key                    *rsa.PublicKey
	proof, signed, message []byte
}

// readVectors returns the GQ256 tokens, made by another implementation, of the parent folder's test vectors.
func readVectors(tb testing.TB) []vector {
	tb.Helper()
	data, err := os.ReadFile("../testdata/pktoken.json")
	if err != nil {
		tb.Fatal(err)
	}
	var tokens []struct {
		Name    string `json:"name"`
		PKToken string `json:"pk_token"`
		JWKS    struct {
			Keys []struct {
				Kid string `json:"kid"`
				N   string `json:"n"`
			} `json:"keys"`
		} `json:"jwks"`
	}
	unmarshal(tb, data, &tokens)

	var vectors []vector
	for _, token := range tokens {
		parts := strings.Split(token.PKToken, ":")
		payload, protected, proof := parts[0], parts[1], parts[2]
		var header, original struct {
			Alg string `json:"alg"`
			Kid string `json:"kid"`
		}
		unmarshal(tb, decode(tb, protected), &header)
		if header.Alg != "GQ256" {
			continue
		}
		unmarshal(tb, decode(tb, header.Kid), &original)
		for _, key := range token.JWKS.Keys {
			if key.Kid == original.Kid {
				vectors = append(vectors, vector{
					name:    token.Name,
					key:     &rsa.PublicKey{N: new(big.Int).SetBytes(decode(tb, key.N)), E: 65537},
					proof:   decode(tb, proof),
					signed:  []byte(header.Kid + "." + payload),
					message: []byte(protected + "." + payload),
				})
			}
		}
	}
	return vectors
}

func decode(tb testing.TB, text string) []byte {
	tb.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func unmarshal(tb testing.TB, data []byte, value any) {
	tb.Helper()
	if err := json.Unmarshal(data, value); err != nil {
		tb.Fatal(err)
	}
}
