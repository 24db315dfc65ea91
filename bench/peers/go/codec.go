package main

import (
	"bytes"
	"errors"
)

// encode encodes one message n times.
func encode(make func(options) message) func(options) (*measured, error) {
	return func(o options) (*measured, error) {
		m := make(o)
		out := newMeasured(o.n)
		var data []byte
		err := out.run(func() (err error) {
			for range o.n {
				if data, err = marshal(m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		decoded, err := unmarshal(data)
		if err != nil {
			return nil, err
		}
		if !equal(decoded, m) {
			return nil, errors.New("the encoding does not decode to the message")
		}
		out.extra["bytes"] = len(data)
		return out, nil
	}
}

// decode decodes one encoding n times.
func decode(make func(options) message) func(options) (*measured, error) {
	return func(o options) (*measured, error) {
		m := make(o)
		data, err := marshal(m)
		if err != nil {
			return nil, err
		}
		out := newMeasured(o.n)
		var decoded message
		err = out.run(func() (err error) {
			for range o.n {
				if decoded, err = unmarshal(data); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		again, err := marshal(decoded)
		if err != nil {
			return nil, err
		}
		if !equal(decoded, m) || !bytes.Equal(again, data) {
			return nil, errors.New("the decoded message differs")
		}
		out.extra["bytes"] = len(data)
		return out, nil
	}
}
