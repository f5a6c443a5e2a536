// Package conformance holds a plugin against the contract: it runs the plugin's program as the gateway would, beside a
// program that plays its provider (package fixture), and says for each promise of the contract whether it is kept.
//
// The author of a plugin in Go calls Test from a test; `paybridge plugin test` calls Run for a program in any language.
//
// Almost nothing here passes or fails by how long it took. The contract gives a cancelled call 100 ms; on a busy machine
// that cannot be measured without now and then being wrong, so the kit has the provider never answer and sees that the
// plugin goes away all the same, within seconds. How long that took is told beside it.
package conformance
