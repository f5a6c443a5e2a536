package sdk

import (
	"log/slog"
	"os"
	"strconv"
	"time"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// orphanInterval is how long a plugin may outlive a host that was killed.
const orphanInterval = 500 * time.Millisecond

// exitWithHost ends the process when its host is gone: killed, a host can stop nobody. The kernel's parent-death
// signal is tied to a thread of the host and may come while it lives, so the parent's id is watched instead.
func exitWithHost() {
	host, err := strconv.Atoi(os.Getenv(pb.HostPIDVariable))
	if err != nil {
		host = os.Getppid() // a host that does not tell: whoever started us
	}
	for os.Getppid() == host {
		time.Sleep(orphanInterval)
	}
	slog.Warn("the host is gone, the plugin exits", "host", host)
	os.Exit(0)
}
