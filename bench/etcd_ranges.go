// Reads pages of etcd: each of so many clients reads all keys under a random prefix, linearizably, one page
// after the other. Prints one JSON document. Built by bench/ranges.ts with Debian's packages of Go and etcd.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

func main() {
	endpoint := flag.String("endpoint", "127.0.0.1:2379", "the leader's client endpoint")
	clients := flag.Int("clients", 100, "clients, each with a connection")
	keys := flag.Int("keys", 1000000, "keys, 100 under each prefix")
	seconds := flag.Float64("seconds", 5, "for so long")
	flag.Parse()

	var pages, wrong int64
	var group sync.WaitGroup
	start := time.Now()
	for i := 0; i < *clients; i++ {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{*endpoint}, DialTimeout: 5 * time.Second,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		group.Add(1)
		go func(seed int64) {
			defer group.Done()
			random := rand.New(rand.NewSource(seed))
			for time.Since(start).Seconds() < *seconds {
				prefix := fmt.Sprintf("key:%010d", random.Intn(*keys/100))
				reply, err := client.Get(context.Background(), prefix, clientv3.WithPrefix())
				if err != nil || len(reply.Kvs) != 100 {
					atomic.AddInt64(&wrong, 1)
				} else {
					atomic.AddInt64(&pages, 1)
				}
			}
		}(int64(i) + 1)
	}
	group.Wait()
	rate := float64(pages) / time.Since(start).Seconds()
	json.NewEncoder(os.Stdout).Encode(map[string]float64{"perSecond": rate, "wrong": float64(wrong)})
}
