package sdk

import "context"

// SelfTests proves an account without money. Optional.
type SelfTests interface {
	RunSelfTest(ctx context.Context, r SelfTest) []Check
}

// SelfTest names what to prove.
type SelfTest struct {
	Call
	// Echo comes back as a Notice "self_test.echo" with this id, where the provider echoes by a callback. What only that
	// proves is a check that was skipped, with CodeCallbackAwaited: the host makes it ok once the notice has come.
	Echo string
}

// CodeCallbackAwaited is the code of a check that the notice "self_test.echo" proves.
const CodeCallbackAwaited = "callback_awaited"

// Check is one thing proven or not.
type Check struct {
	Name     string // stable, for example "request_signature"
	Status   CheckStatus
	Code     string // unless CheckOK: what was found, for programs; stable, for example "clock_off"
	Detail   string // what was seen, for people
	Remedy   string // unless CheckOK: what to do, in English
	RemedyZH string // the same in Chinese
}

// CheckStatus is how one check ended.
type CheckStatus int32

// How a check ended. The zero value says that nothing was proven.
const (
	CheckOK      CheckStatus = 1
	CheckFailed  CheckStatus = 2
	CheckSkipped CheckStatus = 3
)
