// Package configs holds the two configurations that come with PayBridge, so that the programs carry them along.
package configs

import _ "embed"

// Dev is dev.yaml: what `paybridge dev` starts with.
//
//go:embed dev.yaml
var Dev []byte

// ProductionExample is production.example.yaml: the commented reference of every key.
//
//go:embed production.example.yaml
var ProductionExample []byte
