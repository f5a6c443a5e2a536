// Package kits holds what a team copies into its own pages: paybridge.js for an H5 site, and the native pages of a mini
// program. Its Go side only embeds the files, for the checkout, which uses the same script, and for the simulated phone,
// which plays the same pages.
package kits

import (
	"embed"
	"io/fs"
)

//go:embed h5/paybridge.js
var script []byte

//go:embed miniprogram
var files embed.FS

// Script is paybridge.js. Callers must not change it.
func Script() []byte { return script }

// MiniProgram is a whole small mini program, app.json at its root, whose folder pages/paybridge is the kit.
func MiniProgram() fs.FS {
	sub, err := fs.Sub(files, "miniprogram")
	if err != nil {
		panic(err) // the folder is embedded under this very name
	}
	return sub
}
