// Package providerv1 is the wire contract between host and plugin, major version 1: provider.proto and its siblings, and
// the Go code generated from them. Only plugins/sdk and adapters/pluginhost import it; decision record 0002 tells why it
// is as it is.
package providerv1

import "github.com/hashicorp/go-plugin"

// ProtocolVersion is the major version of this contract and the version that go-plugin negotiates. Host and SDK
// register it under VersionedPlugins, so that a v2 can be served beside it.
const ProtocolVersion = 1

// ServiceName is the name under which host and plugin hold the contract in go-plugin's plugin set.
const ServiceName = "provider"

// HostPIDVariable names the environment variable by which a host tells a plugin its process id, so that the plugin
// ends when the host was killed. Not set by every host.
const HostPIDVariable = "PAYBRIDGE_HOST_PID"

// Handshake keeps people from running a plugin by hand, and a host from running a program that is none. The cookie
// is no secret: AutoMTLS is what protects the connection.
var Handshake = plugin.HandshakeConfig{
	MagicCookieKey:   "PAYBRIDGE_PLUGIN",
	MagicCookieValue: "provider-contract-8f3b1d5ae2c94d07",
}
