// Checks whether histories of numbers by key are linearizable. It reads operations from the standard input, one JSON
// object a line, and prints one JSON object: for each key "ok", "illegal", or "unknown" if the time was not enough.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const patience = 60 * time.Second

// operation is a line. An operation that has not returned has no "ret", and may take effect at any later time, or never.
type operation struct {
	Client int    `json:"c"`
	Key    string `json:"k"`
	Kind   string `json:"op"`
	X      int64  `json:"x"`
	Y      int64  `json:"y"`
	Call   int64  `json:"call"`
	Return *int64 `json:"ret"`
	// What the caller was answered; none if it was not answered.
	Answer *int64 `json:"out"`
}

// A key has a number, at first 0. Reads answer it, "w" sets it, "a" adds to it and answers the sum, and "c" sets it to y
// if it is x, and answers 1, or 0 if it is not.
var numbers = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		value, o, answer := state.(int64), input.(operation), output.(*int64)
		said := func(right int64) bool { return answer == nil || *answer == right }
		switch o.Kind {
		case "r":
			return said(value), value
		case "w":
			return true, o.X
		case "a":
			return said(value + o.X), value + o.X
		case "c":
			if value != o.X {
				return said(0), value
			}
			return said(1), o.Y
		}
		panic("an operation of the kind " + o.Kind)
	},
}

var words = map[porcupine.CheckResult]string{porcupine.Ok: "ok", porcupine.Illegal: "illegal", porcupine.Unknown: "unknown"}

func main() {
	byKey := map[string][]porcupine.Operation{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		end := int64(math.MaxInt64)
		if o.Return != nil {
			end = *o.Return
		}
		byKey[o.Key] = append(byKey[o.Key], porcupine.Operation{
			ClientId: o.Client, Input: o, Call: o.Call, Output: o.Answer, Return: end,
		})
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	verdicts := map[string]string{}
	for key, history := range byKey {
		verdicts[key] = words[porcupine.CheckOperationsTimeout(numbers, history, patience)]
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		os.Exit(2)
	}
}
