package gateway

// The points between any two effects of a call, by name.
const (
	crashAfterIntent       = "after-intent-commit"
	crashAfterCall         = "after-provider-call"
	crashBeforeOutcome     = "before-outcome-commit"
	crashAfterOutcome      = "after-outcome-commit"
	crashAfterNotification = "after-notification-commit"
)

// CrashPoints lists the points at which a build with the tag crashpoints can be made to die.
func CrashPoints() []string {
	return []string{crashAfterIntent, crashAfterCall, crashBeforeOutcome, crashAfterOutcome, crashAfterNotification}
}
