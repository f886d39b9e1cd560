package cost

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Micros is an amount of US dollars in millionths, whole, so that sums do not drift.
type Micros int64

const dollar Micros = 1_000_000

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?$`)

// parseMicros reads a price as the table writes it: dollars, with up to six decimals.
func parseMicros(text string) (Micros, error) {
	if !decimal.MatchString(text) {
		return 0, fmt.Errorf("%q is not an amount of dollars such as 0.0225, with at most six decimals", text)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	return Micros(n), err
}

// times multiplies with a quantity that is a fraction, rounded half up.
func (m Micros) times(numerator, denominator int64) Micros {
	return Micros((int64(m)*numerator*2 + denominator) / (denominator * 2))
}

// cents rounds to whole cents, half away from zero.
func (m Micros) cents() int64 {
	half := dollar / 200
	if m < 0 {
		half = -half
	}
	return int64((m + half) / (dollar / 100))
}

// String is the amount in dollars, rounded to cents: 16.43, -0.40.
func (m Micros) String() string {
	cents, sign := m.cents(), ""
	if cents < 0 {
		cents, sign = -cents, "-"
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// Signed is like String, with a plus sign before what is added: +16.43, -0.40, 0.00.
func (m Micros) Signed() string {
	if m.cents() > 0 {
		return "+" + m.String()
	}
	return m.String()
}

// exact is the amount in dollars with all its decimals, as a unit price is written.
func (m Micros) exact() string {
	text := fmt.Sprintf("%d.%06d", m/dollar, m%dollar)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
