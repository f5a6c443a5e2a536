// Package sdk is all that the author of a pay channel imports. A plugin is a program whose main calls Serve with a
// value that implements the small interfaces of this package: Plugin, Payments, Refunds and Notifications always,
// Bills, PayerCodes, AbnormalRefunds, RefundReports and SelfTests where the provider has them. The optional ones are
// found by type assertion and declared to the host by themselves.
//
// A plugin writes the wire and what its answers mean, and nothing else: no storage, no state machine, no retries of
// its own. What it gets for free: logs (slog.Default) that arrive in the host's log, counters and durations of each
// call, isolation of a panic to the one call it happened in, and an exit when the host is gone.
//
// The wire contract behind it is plugins/proto/providerv1, for plugins in other languages.
package sdk
