// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// What the two nodes would pull with is the same after whatever happens, and so is what the Exchange says of them.
func TestAPlayerDoesWhatAnAgentDoes(t *testing.T) {
	g := NewWithT(t)
	e := Start(Options{})
	defer e.Close()
	e.AddUser("plant", "alice", "pw-of-alice", false)
	service := e.Publish("plant/alice", Definition{URL: "camera", Image: "registry.example.com/edge/camera"})
	first := e.AddLogin(service, "registry.example.com", "user", "one")
	e.AddNode("plant", "agent", "of-the-agent", "alice", service)
	e.AddNode("plant", "player", "of-the-player", "alice", service)
	agent, err := e.NewAgent(t.Context(), "plant", "agent", "of-the-agent")
	g.Expect(err).NotTo(HaveOccurred())
	player := e.NewPlayer("plant/player", 0)
	var backup Copy
	token, poll := "one", func() {
		g.Expect(agent.Poll(t.Context())).To(Succeed())
		g.Expect(player.Live()).To(BeTrue())
	}
	pull := func() (ok bool) {
		pulled, err := agent.Pull(t.Context(), service, "registry.example.com", func(_, sent string) bool { return sent == token })
		g.Expect(err).NotTo(HaveOccurred())
		ok = player.Pull(service, "registry.example.com", func(sent string) bool { return sent == token })
		g.Expect(ok).To(Equal(pulled.OK))
		if ok {
			g.Expect(player.Holds(service, "registry.example.com", token)).To(BeTrue())
		}
		return ok
	}
	write := func(next string) {
		e.Clock.Advance(PollInterval)
		token = next
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, a := range e.authsOf(service) {
			if a.ID == first {
				a.Token = next
			}
		}
	}
	touch := func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.log(service, "service", "modified")
	}
	g.Expect(pull()).To(BeTrue())
	write("two")
	poll()
	g.Expect(pull()).To(BeFalse(), "a change of the login alone")
	touch()
	g.Expect(pull()).To(BeFalse(), "before the poll")
	e.Clock.Advance(PollInterval)
	poll()
	g.Expect(pull()).To(BeTrue())
	write("three")
	touch()
	e.Clock.Advance(4*time.Hour + time.Minute)
	poll()
	g.Expect(pull()).To(BeFalse(), "the change is kept no longer")
	agent.Restart()
	player.Restart()
	g.Expect(pull()).To(BeTrue())
	backup = e.Backup()
	for range 3 {
		touch()
	}
	e.Clock.Advance(PollInterval)
	poll()
	g.Expect(pull()).To(BeTrue())
	write("four")
	g.Expect(pull()).To(BeFalse())
	e.Restore(backup)
	write("four")
	touch()
	poll()
	g.Expect(pull()).To(BeFalse(), "they ask by numbers that the copy has not reached")
	touch()
	e.Clock.Advance(PollInterval)
	poll()
	g.Expect(pull()).To(BeTrue())
	for _, n := range e.nodes {
		g.Expect(n.lastHeartbeat).NotTo(BeEmpty())
	}
}

func TestAPlayerKeepsThePausesOfAnAgent(t *testing.T) {
	g := NewWithT(t)
	e := Start(Options{})
	defer e.Close()
	e.AddUser("plant", "alice", "pw-of-alice", false)
	e.AddNode("plant", "player", "of-the-player", "alice")
	service := e.Publish("plant/alice", Definition{URL: "camera", Image: "registry.example.com/edge/camera"})
	player, start := e.NewPlayer("plant/player", 0), e.Clock.peek()
	var polls []int
	live := func(seconds int) {
		for range seconds / 10 {
			if player.Live() {
				polls = append(polls, int(e.Clock.peek().Sub(start)/time.Second))
			}
			e.Clock.Advance(10 * time.Second)
		}
	}
	live(10)
	e.mu.Lock()
	e.log(service, "service", "modified")
	e.mu.Unlock()
	live(700)
	g.Expect(polls).To(Equal([]int{0, 120, 140, 180, 240, 320, 420, 540, 660}))
	player.Silence(e.Clock.peek().Add(time.Hour))
	polls = nil
	live(3600)
	g.Expect(polls).To(BeEmpty())
	live(10)
	g.Expect(polls).To(HaveLen(1))
}

func TestAnAgreementBotIsNoHeartbeat(t *testing.T) {
	g := NewWithT(t)
	e := Start(Options{})
	defer e.Close()
	e.AddUser("plant", "alice", "pw-of-alice", false)
	e.AddNode("plant", "node", "of-the-node", "alice")
	e.AddAgbot("plant", "bot", "of-the-agbot")
	bot, service := e.NewAgbotPlayer(), e.Publish("plant/alice", Definition{URL: "camera", Image: "registry.example.com/edge/camera"})
	bot.Live()
	bot.Agree("plant/node", service)
	bot.Agree("plant/node", service)
	g.Expect(e.nodes["plant/node"].runs).To(Equal([]string{service}))
	g.Expect(e.nodes["plant/node"].lastHeartbeat).To(BeEmpty())
	bot.Cancel("plant/node", service)
	g.Expect(e.nodes["plant/node"].runs).To(BeEmpty())
}
