// Package store is ports.Store on bun: SQLite, embedded, for one process, and PostgreSQL for any number of replicas, in
// one code with one numbered set of migrations. Times are microseconds since 1970 in UTC, money is fen, and what is
// secret at rest is sealed with AES-256-GCM (seal.go).
package store
