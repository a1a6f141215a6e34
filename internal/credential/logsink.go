// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import "github.com/go-logr/logr"

// maxVerbosity is the last level at which client-go logs no request or response bodies
// (client-go, rest/request.go: logBody). Those of TokenRequests and Secrets hold tokens.
const maxVerbosity = 7

// WithoutBodies returns a logger that writes nothing above the verbosity from which client-go
// logs bodies, whatever level the logger itself is set to.
func WithoutBodies(logger logr.Logger) logr.Logger {
	sink := logger.GetSink()
	if sink == nil {
		return logger
	}
	return logger.WithSink(bodylessSink{sink})
}

type bodylessSink struct {
	logr.LogSink
}

func (s bodylessSink) Enabled(level int) bool {
	return level <= maxVerbosity && s.LogSink.Enabled(level)
}

func (s bodylessSink) Info(level int, msg string, keysAndValues ...any) {
	if level <= maxVerbosity {
		s.LogSink.Info(level, msg, keysAndValues...)
	}
}

func (s bodylessSink) WithValues(keysAndValues ...any) logr.LogSink {
	return bodylessSink{s.LogSink.WithValues(keysAndValues...)}
}

func (s bodylessSink) WithName(name string) logr.LogSink {
	return bodylessSink{s.LogSink.WithName(name)}
}

// WithCallDepth implements logr.CallDepthLogSink, so that a caller's line is not this file's.
func (s bodylessSink) WithCallDepth(depth int) logr.LogSink {
	if deeper, ok := s.LogSink.(logr.CallDepthLogSink); ok {
		return bodylessSink{deeper.WithCallDepth(depth)}
	}
	return s
}
