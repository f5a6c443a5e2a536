// Package e2e holds the tests of the whole: the gateway and its plugin as real processes, on SQLite and on PostgreSQL,
// against a simulated WeChat whose ledger says what truly happened. Only what needs processes is here: killing them,
// starting them anew with another configuration, two of them on one database. Everything else is tested nearer to its
// code.
//
// world_test.go is what a test plays with; database_test.go chooses the database. The package skips under -short.
package e2e
