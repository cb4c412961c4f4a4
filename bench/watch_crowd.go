// Watches one key from so many connections, one watch each, spread over the servers of raftkv or of etcd; sets
// it and measures how long it takes until the last watch has been told, round by round. Prints one JSON
// document. Built by bench/watches.ts with Debian's packages of Go and etcd.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/clientv3"
)

const (
	watchedKey = "watched"
	// Each value begins with it, and no other bytes that a server sends hold it.
	marker         = "value-"
	connectAtATime = 32
	timeout        = 120 * time.Second
)

// All watches of one key. A round is over once `left` have been told.
type crowd struct {
	begun, left int64
	told        chan struct{}
}

func (c *crowd) tell(events int) {
	if atomic.AddInt64(&c.left, -int64(events)) == 0 {
		c.told <- struct{}{}
	}
}

// One system: a watch on a connection of its own, and how the key is set.
type system interface {
	watch(endpoint string, c *crowd) error
	set(value string) error
}

type raftkv struct{ writer net.Conn }

func (r *raftkv) watch(endpoint string, c *crowd) error {
	conn, err := net.Dial("tcp", endpoint)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "watch %s\r\n", watchedKey); err != nil {
		return err
	}
	buffer := make([]byte, 1024)
	count, err := conn.Read(buffer)
	if err != nil || !bytes.HasPrefix(buffer[:count], []byte("WATCHING")) {
		return fmt.Errorf("a watch was answered %q, %v", buffer[:count], err)
	}
	atomic.AddInt64(&c.begun, 1)
	go func() {
		held := 0 // the end of what was read before, which may be the beginning of a marker
		for {
			count, err := conn.Read(buffer[held:])
			if err != nil {
				fail(fmt.Errorf("a connection that watches ended: %v", err))
			}
			text := buffer[:held+count]
			if events := bytes.Count(text, []byte(marker)); events > 0 {
				c.tell(events)
				text = text[bytes.LastIndex(text, []byte(marker))+len(marker):]
			}
			if len(text) >= len(marker) {
				text = text[len(text)-len(marker)+1:]
			}
			held = copy(buffer, text)
		}
	}()
	return nil
}

func (r *raftkv) set(value string) error {
	if _, err := fmt.Fprintf(r.writer, "set %s 0 %d\r\n%s\r\n", watchedKey, len(value), value); err != nil {
		return err
	}
	reply := make([]byte, 256)
	count, err := r.writer.Read(reply)
	if err != nil || !bytes.HasPrefix(reply[:count], []byte("OK ")) {
		return fmt.Errorf("a set was answered %q, %v", reply[:count], err)
	}
	return nil
}

type etcd struct{ writer *clientv3.Client }

func etcdClient(endpoint string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: timeout})
}

func (e *etcd) watch(endpoint string, c *crowd) error {
	client, err := etcdClient(endpoint)
	if err != nil {
		return err
	}
	replies := client.Watch(context.Background(), watchedKey, clientv3.WithCreatedNotify())
	if reply := <-replies; !reply.Created {
		return fmt.Errorf("a watch was answered %v, %v", reply, reply.Err())
	}
	atomic.AddInt64(&c.begun, 1)
	go func() {
		for reply := range replies {
			if err := reply.Err(); err != nil {
				fail(err)
			}
			c.tell(len(reply.Events))
		}
		fail(fmt.Errorf("a watch ended"))
	}()
	return nil
}

func (e *etcd) set(value string) error {
	_, err := e.writer.Put(context.Background(), watchedKey, value)
	return err
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func connect(name, writer string) (system, error) {
	if name == "etcd" {
		client, err := etcdClient(writer)
		return &etcd{client}, err
	}
	conn, err := net.Dial("tcp", writer)
	return &raftkv{conn}, err
}

// Begins `count` watches, a few at a time.
func begin(s system, c *crowd, endpoints []string, count int) {
	var group sync.WaitGroup
	places := make(chan struct{}, connectAtATime)
	for i := 0; i < count; i++ {
		group.Add(1)
		places <- struct{}{}
		go func(endpoint string) {
			defer group.Done()
			if err := s.watch(endpoint, c); err != nil {
				fail(err)
			}
			<-places
		}(endpoints[i%len(endpoints)])
	}
	group.Wait()
}

// Processor time of this process.
func ownMs() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}

func main() {
	name := flag.String("system", "raftkv", "raftkv or etcd")
	servers := flag.String("servers", "", "HOST:PORT,… that watches are spread over")
	writer := flag.String("writer", "", "HOST:PORT of the leader, which the key is set by")
	watches := flag.Int("watches", 1000, "so many, a connection each")
	rounds := flag.Int("rounds", 9, "after two that do not count")
	pause := flag.Duration("pause", 100*time.Millisecond, "before each round")
	flag.Parse()

	s, err := connect(*name, *writer)
	if err != nil {
		fail(err)
	}
	c := &crowd{told: make(chan struct{}, 1)}
	begin(s, c, strings.Split(*servers, ","), *watches)
	result := map[string][]float64{"ms": {}, "ownMs": {}}
	for round := -2; round < *rounds; round++ {
		time.Sleep(*pause)
		atomic.StoreInt64(&c.left, int64(*watches))
		usedMs, start := ownMs(), time.Now()
		if err := s.set(fmt.Sprintf("%s%08d", marker, round+2)); err != nil {
			fail(err)
		}
		select {
		case <-c.told:
		case <-time.After(timeout):
			fail(fmt.Errorf("%d watches were told nothing", atomic.LoadInt64(&c.left)))
		}
		if round >= 0 {
			result["ms"] = append(result["ms"], float64(time.Since(start).Nanoseconds())/1e6)
			result["ownMs"] = append(result["ownMs"], ownMs()-usedMs)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}
