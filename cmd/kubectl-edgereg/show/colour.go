// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

// Colours paints words. The zero value leaves them as they are.
type Colours struct{ On bool }

// A colour is the number that ECMA-48 gives it.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (c Colours) paint(colour, text string) string {
	if !c.On || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// state paints the state of an EdgeRegistry.
func (c Colours) state(state State) string {
	colours := map[State]string{Ready: green, Stalled: red}
	if colour, known := colours[state]; known {
		return c.paint(colour, string(state))
	}
	return c.paint(yellow, string(state))
}

// status paints a text by the status of a condition.
func (c Colours) status(status, text string) string {
	switch status {
	case "True":
		return c.paint(green, text)
	case "False":
		return c.paint(red, text)
	default:
		return c.paint(yellow, text)
	}
}
