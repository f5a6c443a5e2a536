// Package pluginhost runs the plugins: one process a provider, started from bytes that plugins.lock pins, configured
// over the connection only, called with a deadline and a bound, started again when it dies. It is the gateway's
// ports.Providers. Nothing that a plugin does, says or fails to do may harm the gateway or another channel.
package pluginhost
