package conformance

var promises = []Promise{
	{
		Name: "describe", look: describe,
		Text:   "Describe is pure and complete: the same before and after Configure, with valid schemas whose secrets are marked",
		Remedy: "answer constants, and mark each secret of account_schema with \"writeOnly\": true",
	}, {
		Name: "services", look: services,
		Text:   "The optional services that Describe names are served, and the others answer UNIMPLEMENTED",
		Remedy: "name a service in optional_services exactly when you register it (the Go SDK does both by itself)",
	}, {
		Name: "configure", look: configure,
		Text:   "Configure may be repeated, an older generation changes nothing, and a wrong configuration leaves the old one in use",
		Remedy: "check everything first, name the wrong field, and put the account in use last, whole",
	}, {
		Name: "foreign-merchant", look: foreignMerchant,
		Text:   "A route whose account or merchant number is not the account's is AUTH, and nothing reaches the provider",
		Remedy: "take the credentials of route.account, and answer NOT_SENT with AUTH unless their merchant number is route.mchid",
	}, {
		Name: "facts", look: factsOfPayments,
		Text:   "The facts of a payment are complete: number, merchant, app id, amount, and once paid the provider's id and the time",
		Remedy: "fill the facts from the provider's answer, field by field, never from the request",
	}, {
		Name: "refund-facts", look: factsOfRefunds,
		Text:   "The facts of a refund are complete: its number, its payment's number, amount and state",
		Remedy: "fill the facts from the provider's answer, field by field, never from the request",
	}, {
		Name: "repeat-create", look: repeatCreate,
		Text:   "CreatePayment with the same number and content may be repeated: one trade at the provider",
		Remedy: "send the number as it stands as the provider's own key of the trade, so that the provider knows a repeat",
	}, {
		Name: "repeat-close", look: repeatClose,
		Text:   "ClosePayment may be repeated, closes what is unpaid, and never says that a paid trade is closed",
		Remedy: "say CLOSED only when the provider says so; where it refuses since the trade is paid, answer the paid facts or CONFLICT",
	}, {
		Name: "repeat-refund", look: repeatRefund,
		Text:   "CreateRefund with the same number and content may be repeated: one refund at the provider",
		Remedy: "send the refund's number as it stands; never draw one of your own: money would go back twice",
	}, {
		Name: "conflict", look: conflict,
		Text:   "The same number with other content is REJECTED with CONFLICT, and changes nothing at the provider",
		Remedy: "map the provider's code for a used number to CONFLICT: the gateway queries then, and INVALID_REQUEST would end a live payment",
	}, {
		Name: "reasons", look: reasons,
		Text:   "Each reason can be reached: the provider's refusals become the contract's reasons",
		Remedy: "mend the table of codes; a code that is not in it decides nothing (INDETERMINATE)",
	}, {
		Name: "broken-connection", look: brokenConnection,
		Text:   "A call whose answer was lost or cannot be believed is INDETERMINATE, never REJECTED; a repeat then does no harm",
		Remedy: "answer REJECTED only on a verified refusal; any error on the way, and any answer that does not verify, is INDETERMINATE",
	}, {
		Name: "time-out", look: timeOut, slow: true,
		Text:   "A call that the provider never answers is INDETERMINATE, never REJECTED",
		Remedy: "a time-out says nothing about the money: answer INDETERMINATE",
	}, {
		Name: "cancel", look: cancelled,
		Text:   "A cancelled call goes away, though the provider never answers (the contract allows it 100 ms)",
		Remedy: "give the call's own context, and so its deadline, to each request that you send",
	}, {
		Name: "verify-before-parse", look: verifyBeforeParse,
		Text: "A notification that is tampered with, truncated, oversized or another's is refused for its signature, " +
			"before anything of it is read",
		Remedy: "verify the raw bytes first: SIGNATURE when that fails, MALFORMED only for what is signed and cannot be read",
	}, {
		Name: "unknown-serial", look: unknownSerial,
		Text:   "A notification that is signed by a key which is not known here is refused with UNKNOWN_SERIAL",
		Remedy: "look the key up by its name before verifying: the provider sends again, and the key may be known by then",
	}, {
		Name: "clock-window", look: clockWindow,
		Text:   "A notification whose proof has a time is refused with CLOCK when that is far from when the gateway received it",
		Remedy: "compare the signed time with received_at, in both directions; five minutes are usual",
	}, {
		Name: "notification", look: notification,
		Text:   "A genuine notification gives complete facts, and a dedupe key that is the same for each repeat and no other",
		Remedy: "take the dedupe key from the provider's own id of the notification, and the facts from what it says",
	}, {
		Name: "app-ids", look: appIDs,
		Text:   "64 calls at once on two app ids do not mix: each trade has its own route's app id and amount",
		Remedy: "keep app ids, numbers and amounts in the call's own variables, never in a field of a shared client",
	}, {
		Name: "checkpoints", look: checkpoints,
		Text:   "A checkpoint can be resumed from its state alone, by another process, and twice",
		Remedy: "put all that the next step needs into provider_state, and keep nothing of a payment in the process",
	}, {
		Name: "isolation", look: isolation,
		Text:   "A panic or a fault in one call leaves the others alive",
		Remedy: "expect empty fields in every call, and start no goroutine whose panic nobody recovers",
	}, {
		Name: "rotation", look: rotation, late: true,
		Text:   "Old and new keys are valid side by side while they rotate: no notification is lost",
		Remedy: "try every key that is configured, and replace an account whole, at once",
	}, {
		Name: "bills", look: bills, late: true,
		Text:   "A statement whose hash does not fit is refused, and a genuine one gives its lines",
		Remedy: "compute the hash over the whole file and compare it before you answer ACCEPTED",
	}, {
		Name: "secrets", look: secrets, late: true,
		Text:   "No secret of an account is in a log line, an error or an answer",
		Remedy: "name the account and the field; never log a configuration, a request's headers or a key",
	},
}
