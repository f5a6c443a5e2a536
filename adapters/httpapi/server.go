package httpapi

import (
	"log/slog"
	"net/http"
	"time"
)

// Server is a server for one of the listeners, with bounds on what a slow or greedy client can hold. A call to pay may
// wait for another one and then for the provider: 25 s, and the time to commit what came of it.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
