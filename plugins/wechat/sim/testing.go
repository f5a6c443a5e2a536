package sim

import "context"

// TB is the part of testing.TB that New needs, so that no program that plays WeChat links package testing.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Option changes how New starts a simulator.
type Option func(*Config)

// With changes any field of the configuration.
func With(change func(*Config)) Option { return Option(change) }

// WithSeed starts with another world.
func WithSeed(seed Seed) Option { return func(c *Config) { c.Seed = seed } }

// New starts a simulator on a free port of 127.0.0.1 and ends it with the test.
func New(t TB, options ...Option) *Simulator {
	t.Helper()
	var cfg Config
	for _, change := range options {
		change(&cfg)
	}
	s, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatalf("start the simulated WeChat: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Fatalf("close the simulated WeChat: %v", err)
		}
	})
	return s
}
