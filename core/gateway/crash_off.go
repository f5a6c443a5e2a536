//go:build !crashpoints

package gateway

// crashPoint stands between two effects. In a build with the tag crashpoints the process can be made to die there.
func crashPoint(string) {}
