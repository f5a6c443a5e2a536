// Package plugins holds the source of the channel that `paybridge plugin new` writes for authors: the one that is built,
// tested and used here, so that what they begin with works.
package plugins

import (
	"embed"
	"io/fs"
)

//go:embed example
var source embed.FS

// Template is the folder of that channel, and the name that it calls itself by.
func Template() (name string, folder fs.FS, err error) {
	all, err := source.ReadDir(".")
	if err != nil {
		return "", nil, err
	}
	folder, err = fs.Sub(source, all[0].Name())
	return all[0].Name(), folder, err
}
