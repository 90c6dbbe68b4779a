package gq_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/hex"
	"math/big"
	"math/bits"
	"strings"
	"sync"
	"testing"
)

// The same proof system once more, written down as the specification words it, with math/big and no care for speed or
// secrecy. The package and this reference check each other.

var one = big.NewInt(1)

type sizes struct{ k, t, vb int }

func sizesOf(key *rsa.PublicKey) sizes {
	b := bits.Len(uint(key.E)) - 1
	return sizes{k: (key.N.BitLen() + 7) / 8, t: (256 + b - 1) / b, vb: (b + 7) / 8}
}

func refEncode(k int, signed []byte) *big.Int {
	hash := sha256.Sum256(signed)
	em, err := hex.DecodeString("0001" + strings.Repeat("ff", k-3-19-32) + "00" +
		"3031300d060960864801650304020105000420" + hex.EncodeToString(hash[:]))
	if err != nil {
		panic(err)
	}
	return new(big.Int).SetBytes(em)
}

func refAsk(size sizes, w []*big.Int, message []byte) []byte {
	h := sha3.NewSHAKE256()
	for _, x := range w {
		_, _ = h.Write(x.FillBytes(make([]byte, size.k)))
	}
	_, _ = h.Write(message)
	r := make([]byte, size.t*size.vb)
	_, _ = h.Read(r)
	return r
}

func refProve(key *rsa.PublicKey, sig, signed, message []byte) []byte {
	size, n, e := sizesOf(key), key.N, big.NewInt(int64(key.E))
	q := new(big.Int).ModInverse(new(big.Int).SetBytes(sig), n)
	r, w := make([]*big.Int, size.t), make([]*big.Int, size.t)
	for i := range r {
		x, err := rand.Int(rand.Reader, new(big.Int).Sub(n, one))
		if err != nil {
			panic(err)
		}
		r[i] = x.Add(x, one)
		w[i] = new(big.Int).Exp(r[i], e, n)
	}
	proof := refAsk(size, w, message)
	for i := range r {
		question := new(big.Int).SetBytes(proof[i*size.vb : (i+1)*size.vb])
		s := question.Exp(q, question, n)
		s.Mod(s.Mul(s, r[i]), n)
		proof = append(proof, s.FillBytes(make([]byte, size.k))...)
	}
	return proof
}

func refVerify(key *rsa.PublicKey, proof, signed, message []byte) bool {
	size, n, e := sizesOf(key), key.N, big.NewInt(int64(key.E))
	if len(proof) != size.t*size.vb+size.t*size.k {
		return false
	}
	g := refEncode(size.k, signed)
	w := make([]*big.Int, size.t)
	for i := range w {
		s := new(big.Int).SetBytes(proof[size.t*size.vb+i*size.k:][:size.k])
		if s.Sign() == 0 || s.Cmp(n) >= 0 {
			return false
		}
		question := new(big.Int).SetBytes(proof[i*size.vb:][:size.vb])
		w[i] = s.Exp(s, e, n)
		w[i].Mod(w[i].Mul(w[i], question.Exp(g, question, n)), n)
	}
	return bytes.Equal(refAsk(size, w, message), proof[:size.t*size.vb])
}

// testKey is an RSA key with any exponent; crypto/rsa makes those with 65537 only.
type testKey struct {
	name string
	*rsa.PublicKey
	d *big.Int
}

func (k testKey) sign(signed []byte) []byte {
	size := sizesOf(k.PublicKey)
	return new(big.Int).Exp(refEncode(size.k, signed), k.d, k.N).FillBytes(make([]byte, size.k))
}

// modulus is p·q, of a group order that none of the exponents below has a factor in common with.
type modulus struct{ n, order *big.Int }

var exponents = []int{3, 17, 65537, 1<<31 - 1}

func newModulus(primeBits int) modulus {
	m := modulus{n: big.NewInt(1), order: big.NewInt(1)}
	for range 2 {
		p := newPrime(primeBits)
		m.n.Mul(m.n, p)
		m.order.Mul(m.order, new(big.Int).Sub(p, one))
	}
	return m
}

func newPrime(primeBits int) *big.Int {
next:
	for {
		p, err := rand.Prime(rand.Reader, primeBits)
		if err != nil {
			panic(err)
		}
		for _, e := range exponents {
			if new(big.Int).Mod(p, big.NewInt(int64(e))).Cmp(one) == 0 {
				continue next
			}
		}
		return p
	}
}

func (m modulus) key(name string, e int) testKey {
	d := new(big.Int).ModInverse(big.NewInt(int64(e)), m.order)
	return testKey{name: name, PublicKey: &rsa.PublicKey{N: m.n, E: e}, d: d}
}

// The modulus of 2050 bits leaves six bits of its first byte unused.
var (
	modulus2048 = sync.OnceValue(func() modulus { return newModulus(1024) })
	modulus2050 = sync.OnceValue(func() modulus { return newModulus(1025) })
	modulus3072 = sync.OnceValue(func() modulus { return newModulus(1536) })
)

func key2048() testKey { return modulus2048().key("2048 bits, e=65537", 65537) }
func key2050() testKey { return modulus2050().key("2050 bits, e=65537", 65537) }

func testKeys(tb testing.TB) []testKey {
	tb.Helper()
	return []testKey{
		key2048(),
		modulus2048().key("2048 bits, e=3", 3),
		modulus2048().key("2048 bits, e=17", 17),
		modulus2048().key("2048 bits, e=2^31-1", 1<<31-1),
		key2050(),
		modulus3072().key("3072 bits, e=65537", 65537),
	}
}
