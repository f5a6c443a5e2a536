package gateway

// The points between any two effects of a call, by name.
const (
	crashAfterIntent       = "after-intent-commit"
	crashAfterCall         = "after-provider-call"
	crashBeforeOutcome     = "before-outcome-commit"
	crashAfterOutcome      = "after-outcome-commit"
	crashAfterNotification = "after-notification-commit"
	crashBeforeCheckpoint  = "before-checkpoint-commit"
	crashAfterCheckpoint   = "after-checkpoint-commit"

	crashAfterPublish   = "after-publish-commit"
	crashAfterEvent     = "after-event-sent"
	crashAfterDelivered = "after-delivered-commit"
)

// CrashPoints lists the points at which a build with the tag crashpoints can be made to die.
func CrashPoints() []string {
	return []string{crashAfterIntent, crashAfterCall, crashBeforeOutcome, crashAfterOutcome, crashAfterNotification,
		crashBeforeCheckpoint, crashAfterCheckpoint,
		crashAfterPublish, crashAfterEvent, crashAfterDelivered}
}
