// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
)

// maxVerbosity is the last level at which client-go logs no request or response bodies
// (client-go, rest/request.go: logBody). Those of TokenRequests and Secrets hold tokens.
const maxVerbosity = 7

// WithoutBodies returns a logger that writes nothing above the verbosity from which client-go
// logs bodies, whatever its own level, and no known secret at any level.
func WithoutBodies(logger logr.Logger) logr.Logger {
	sink := logger.GetSink()
	if sink == nil {
		return logger
	}
	return logger.WithSink(discreetSink{sink})
}

type discreetSink struct {
	logr.LogSink
}

func (s discreetSink) Enabled(level int) bool {
	return level <= maxVerbosity && s.LogSink.Enabled(level)
}

func (s discreetSink) Info(level int, msg string, keysAndValues ...any) {
	if level <= maxVerbosity {
		s.LogSink.Info(level, Redact(msg), redactAll(keysAndValues)...)
	}
}

func (s discreetSink) Error(err error, msg string, keysAndValues ...any) {
	s.LogSink.Error(redactError(err), Redact(msg), redactAll(keysAndValues)...)
}

func (s discreetSink) WithValues(keysAndValues ...any) logr.LogSink {
	return discreetSink{s.LogSink.WithValues(redactAll(keysAndValues)...)}
}

func (s discreetSink) WithName(name string) logr.LogSink {
	return discreetSink{s.LogSink.WithName(Redact(name))}
}

// WithCallDepth implements logr.CallDepthLogSink, so that the log names the line of the caller.
func (s discreetSink) WithCallDepth(depth int) logr.LogSink {
	if deeper, ok := s.LogSink.(logr.CallDepthLogSink); ok {
		return discreetSink{deeper.WithCallDepth(depth)}
	}
	return s
}

// redactAll applies redactValue to each value.
func redactAll(values []any) []any {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = redactValue(value)
	}
	return all
}

// redactValue returns the value, or a redacted text in its place if it holds a secret. How the backend will write the value is not
// known here, so both fmt's and JSON's form are checked.
func redactValue(value any) any {
	switch v := value.(type) {
	case nil, bool, int, int32, int64, uint64, float64, time.Duration, time.Time, Token, *Token:
		return value
	case string:
		return Redact(v)
	case []byte:
		if text := Redact(string(v)); text != string(v) {
			return text
		}
		return value
	case error:
		return redactError(v)
	case logr.Marshaler:
		return redactValue(marshaled(v))
	}
	if shown := fmt.Sprintf("%+v", value); Redact(shown) != shown {
		return Redact(shown)
	}
	if written, err := json.Marshal(value); err == nil && Redact(string(written)) != string(written) {
		return Redact(string(written))
	}
	return value
}

// marshaled is what a value wants logged; "<panic>" if that panics, as a nil value may.
func marshaled(value logr.Marshaler) (log any) {
	defer func() {
		if recover() != nil {
			log = "<panic>"
		}
	}()
	return value.MarshalLog()
}

// redactError returns the error, or one with a redacted text if it holds a secret. Backends show an error by %v, or by %+v if it
// carries more than its text.
func redactError(err error) error {
	if err == nil {
		return nil
	}
	for _, shown := range []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err)} {
		if clean := Redact(shown); clean != shown {
			return errors.New(clean)
		}
	}
	return err
}
