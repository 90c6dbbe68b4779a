package gq

import "filippo.io/bigmod"

const (
	digitBits  = 4
	digitCount = 1<<digitBits - 1 // digits other than 0
)

// powerTable holds the powers of one base that any short exponent is a product of: row[j][d-1] = base^(d·16^j).
// The questions of a proof are two bytes long where the answers are 256, and all of them go to the same base: with the
// table such a power costs four multiplications and no squaring.
//
// Time and memory access depend on the exponents, which are public, and never on the base.
type powerTable struct {
	n   *bigmod.Modulus
	row [][digitCount]*bigmod.Nat
}

// newPowerTable makes the table for exponents of width bytes.
func newPowerTable(base *bigmod.Nat, width int, n *bigmod.Modulus) *powerTable {
	t := &powerTable{n: n, row: make([][digitCount]*bigmod.Nat, width*8/digitBits)}
	next := base
	for j := range t.row {
		first := next
		for d := range digitCount {
			t.row[j][d] = next
			next = clone(next, n).Mul(first, n)
		}
	}
	wipe(next) // the base of a row that there is none of
	return t
}

// mul sets x to x·base^exponent mod n. The exponent is big-endian.
func (t *powerTable) mul(x *bigmod.Nat, exponent []byte) {
	for i, b := range exponent {
		j := 2 * (len(exponent) - 1 - i)
		t.mulDigit(x, j, b&0x0f)
		t.mulDigit(x, j+1, b>>4)
	}
}

func (t *powerTable) mulDigit(x *bigmod.Nat, j int, digit byte) {
	if digit != 0 {
		x.Mul(t.row[j][digit-1], t.n)
	}
}

// wipe overwrites the table, the base included.
func (t *powerTable) wipe() {
	for j := range t.row {
		wipe(t.row[j][:]...)
	}
}

// clone returns a copy of x, which is reduced mod n.
func clone(x *bigmod.Nat, n *bigmod.Modulus) *bigmod.Nat {
	return bigmod.NewNat().ExpandFor(n).Add(x, n)
}

// wipe overwrites the values. Copies that the arithmetic left on the stack are out of reach.
func wipe(values ...*bigmod.Nat) {
	for _, x := range values {
		clear(x.Bits())
	}
}
