// Package pay is the domain: orders, payments with their legs, refunds, what a provider says about them, and the
// decisions that follow. Nothing here does I/O. A use case reads rows under locks, asks this package for a Decision,
// and gives it to ports.Tx.Apply; there is no other way to write a state.
package pay
