// A host that starts a plugin, says so, and waits to be killed: host LOCK DIR
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/paybridge/paybridge/adapters/pluginhost"
)

func main() {
	lock, err := pluginhost.ReadLock(os.Args[1])
	if err != nil {
		panic(err)
	}
	host, err := pluginhost.New(pluginhost.Options{Lock: lock, Dir: os.Args[2]})
	if err != nil {
		panic(err)
	}
	if err := host.Start(context.Background(), "unruly"); err != nil {
		panic(err)
	}
	fmt.Println(host.Status()[0].PID)
	select {}
}
