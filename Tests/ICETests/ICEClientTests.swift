import ICE
import Testing
import Time

struct ICEClientTests {
    @Test func `two ends meet, and the pair that answers first is nominated`() {
        var world = World()
        world.client.add(path(1), priority: 100)
        world.client.add(path(2), priority: 200)
        world.run(until: .zero + .seconds(2))
        #expect(world.events == [.connected(path(2))])
        #expect(world.agent.selected == path(2))
        #expect(world.client.selected == path(2))
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `a third of all packets lost only delays it`(_ seed: UInt64) {
        var world = World(seed: seed)
        world.loss = 33
        world.client.add(path(1), priority: 1)
        world.client.add(path(2), priority: 2)
        world.client.add(path(3), priority: 3)
        world.run(until: .zero + .seconds(25))
        #expect(world.events.count == 1)
        #expect(world.agent.selected == world.client.selected)
        #expect(world.client.selected != nil)
    }

    @Test func `consent is asked every five seconds and keeps both ends alive`() {
        var world = World()
        world.client.add(path(1), priority: 1)
        world.run(until: .zero + .seconds(1))
        let before = world.sentByClient
        world.run(until: .zero + .seconds(3_601))
        #expect((600...900).contains(world.sentByClient - before))
        #expect(world.events == [.connected(path(1))])
        #expect(world.timeouts.isEmpty)
    }

    @Test func `a dead network is noticed on both ends after 30 s`() {
        var world = World()
        world.client.add(path(1), priority: 1)
        world.run(until: .zero + .seconds(10))
        world.loss = 100
        world.run(until: .zero + .seconds(41))
        #expect(world.events == [.connected(path(1)), .lost])
        #expect(world.timeouts == [.lost(everConnected: true)])
        #expect(world.client.nextDeadline == nil)
    }

    @Test func `without an answer it fails, and the deadlines end`() {
        var world = World()
        world.loss = 100
        world.client.add(path(1), priority: 1)
        world.run(until: .zero + .seconds(200))
        #expect(world.events == [.failed])
        #expect(world.sentByClient == 15, "at 0, 0.5, 1.5, then every 2 s")
        #expect(world.timeouts == [.lost(everConnected: false)])
    }

    @Test func `a NAT that maps anew is followed at the next consent check`() {
        var world = World()
        world.client.add(path(1), priority: 1)
        world.run(until: .zero + .seconds(10))
        world.mapping[path(1)] = path(777)
        world.run(until: .zero + .seconds(17))
        #expect(world.agent.selected == path(777))
        #expect(world.timeouts.isEmpty)
    }

    @Test func `a restart changes the credentials on both ends`() {
        var world = World()
        world.client.add(path(1), priority: 1)
        world.run(until: .zero + .seconds(10))
        world.agent.restart(local: newNodeCredentials, remote: newPeerCredentials, now: world.now)
        world.client.restart(local: newPeerCredentials, remote: newNodeCredentials, now: world.now)
        world.client.add(path(2), priority: 9)
        world.run(until: .zero + .seconds(60))
        #expect(world.events == [.connected(path(1)), .connected(path(2))])
        #expect(world.agent.local == newNodeCredentials)
        #expect(world.agent.selected == path(2))
        #expect(world.changes.filter(\.restarted).count == 1)
        #expect(world.timeouts.isEmpty)
    }
}
