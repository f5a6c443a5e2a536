package webhook

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/paybridge/paybridge/ports"
)

// networks are ranges that are dialled though they are not public.
type networks []netip.Prefix

// control looks at each address when it is dialled, after its name was resolved: a name that points elsewhere the next
// time gains nothing.
func (n networks) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %s: %w", address, ports.ErrAddressRefused)
	}
	if ip := at.Addr(); !n.allow(ip) {
		return fmt.Errorf("the webhook leads to %s, which is not public: %w", ip.Unmap(), ports.ErrAddressRefused)
	}
	return nil
}

func (n networks) allow(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("") // a mapped address is the one that it maps
	for _, allowed := range n {
		if allowed.Contains(ip) {
			return true
		}
	}
	for _, special := range notPublic {
		if special.Contains(ip) {
			return false
		}
	}
	return ip.Is4() || public6.Contains(ip)
}

// public6 is all that is global unicast of IPv6 today; the rest is local, mapped, or not given out.
var public6 = netip.MustParsePrefix("2000::/3")

// notPublic are the special ranges of the IANA registries, and what leads into IPv4 by a detour.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this host
	netip.MustParsePrefix("10.0.0.0/8"),      // private
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT; Alibaba Cloud's metadata among it
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, the clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/3"),     // multicast, reserved, broadcast
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
}
