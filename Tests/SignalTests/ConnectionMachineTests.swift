import Signal
import Testing
import Time

private func frame(_ text: String) -> [UInt8] { Array(text.utf8) }
private let key = String(repeating: "k", count: 24)
private let hello = frame("{\"type\":\"hello\",\"id\":1,\"v\":1,\"name\":\"Ann\",\"key\":\"\(key)\"}")

private func signedIn() -> ConnectionMachine {
    var machine = ConnectionMachine(now: .zero)
    _ = machine.receive(hello, now: .zero)
    machine.entered(true, now: .zero)
    return machine
}

private func cutCode(_ action: ConnectionMachine.Action) -> ErrorCode? {
    if case .cut(let code, _) = action { code } else { nil }
}

@Test func `a socket begins with hello`() {
    var machine = ConnectionMachine(now: .zero)

    let value1 = machine.receive(hello, now: .zero)
    #expect(value1 == .signIn(id: 1, version: 1, name: "Ann", key: key))
    machine.entered(true, now: .zero)
    let value2 = machine.receive(frame("{\"type\":\"ack\",\"seq\":4}"), now: .zero)
    #expect(value2 == .ack(seq: 4))
}

@Test func `a refused hello may be tried again`() {
    var machine = ConnectionMachine(now: .zero)
    _ = machine.receive(hello, now: .zero)
    machine.entered(false, now: .zero)

    let value3 = machine.receive(hello, now: .zero)
    #expect(value3 == .signIn(id: 1, version: 1, name: "Ann", key: key))
}

@Test(
    arguments: [
        ("{", ErrorCode.badJSON), ("[]", .badJSON), ("{\"type\":\"ping\"}", .badJSON),
        ("{\"type\":\"root\",\"id\":1}", .unknownType),
        ("{\"id\":1}", .badJSON), ("{\"type\":\"leave\",\"id\":1,\"room\":\"r\"}", .signInFirst),
    ])
func `what is no message of ours cuts the socket`(text: String, code: ErrorCode) {
    var machine = ConnectionMachine(now: .zero)

    let value4 = cutCode(machine.receive(frame(text), now: .zero))
    #expect(value4 == code)
    #expect(machine.nextDeadline == nil)
    let value5 = machine.receive(hello, now: .zero)
    #expect(value5 == .nothing)
}

@Test func `a request with a wrong field is refused, and the socket goes on`() {
    var machine = signedIn()

    guard
        case .refuse(let id, let error) = machine.receive(
            frame("{\"type\":\"leave\",\"id\":9,\"room\":\"a b\"}"), now: .zero)
    else {
        Issue.record("it was taken")
        return
    }
    #expect(id == 9)
    #expect(error.code == .badRequest)
    let value6 = machine.receive(frame("{\"type\":\"ping\",\"id\":10}"), now: .zero)
    #expect(value6 == .pong(id: 10))
}

@Test func `ten thousand messages at once are a flood, fifty a second are not`() {
    let ping = frame("{\"type\":\"ping\",\"id\":1}")
    var flooded = signedIn()
    var steady = signedIn()

    let cuts = (0..<10_000).compactMap { _ in cutCode(flooded.receive(ping, now: .zero)) }
    let steadyCuts = (0..<3_000).compactMap {
        cutCode(steady.receive(ping, now: .zero + .milliseconds(Int64($0) * 21)))
    }

    #expect(cuts == [.flood])
    #expect(steadyCuts.isEmpty)
}

@Test func `pings cost what messages cost, and one now and then keeps the socket`() {
    var flooded = signedIn()
    var calm = signedIn()

    let cuts = (0..<10_000).compactMap { _ in cutCode(flooded.heard(now: .zero)) }
    let calmCuts = (1...20).compactMap { (turn: Int64) -> ErrorCode? in
        let now = Instant.zero + .seconds(17 * turn)
        return cutCode(calm.heard(now: now)) ?? cutCode(calm.timeout(now: now))
    }

    #expect(cuts == [.flood])
    #expect(calmCuts.isEmpty)
}

@Test func `who is silent is asked and then cut within 20 seconds, a socket without hello after 15`() {
    var quiet = signedIn()
    var stranger = ConnectionMachine(now: .zero)
    var told: [String] = []

    while let due = quiet.nextDeadline {
        let early = quiet.timeout(now: due - .milliseconds(1))
        #expect(early == .nothing)
        let action = quiet.timeout(now: due)
        told.append("\(due.nanoseconds / 1_000_000_000) s: \(cutCode(action).map { "\($0)" } ?? "\(action)")")
    }
    var cut: ErrorCode?
    while let due = stranger.nextDeadline, cut == nil { cut = cutCode(stranger.timeout(now: due)) }

    #expect(told == ["7 s: ask", "14 s: ask", "18 s: idle"])
    #expect(cut == .signInFirst)
}

/// How long a socket lasts, at most ten minutes, whose peer does `act` each time it is asked or a minute passed.
private func lasts(_ act: (inout ConnectionMachine, Instant, _ isAsked: Bool) -> Void) -> Interval {
    var machine = signedIn()
    var minute = Instant.zero + .seconds(60)
    while let due = machine.nextDeadline, due < Instant.zero + .seconds(600) {
        guard minute > due else {
            act(&machine, minute, false)
            minute = minute + .seconds(60)
            continue
        }
        switch machine.timeout(now: due) {
        case .cut: return due - Instant.zero
        case .ask: act(&machine, due + .milliseconds(50), true)
        default: break
        }
    }
    return .seconds(600)
}

@Test func `answers keep a page that speaks once a minute, but not one that is frozen`() {
    let ping = frame("{\"type\":\"ping\",\"id\":1}")

    let throttled = lasts { machine, now, isAsked in
        _ = isAsked ? machine.heard(isAnswer: true, now: now) : machine.receive(ping, now: now)
    }
    let frozen = lasts { machine, now, isAsked in
        if isAsked { _ = machine.heard(isAnswer: true, now: now) }
    }
    let pinging = lasts { machine, now, isAsked in
        if isAsked { _ = machine.heard(now: now) }
    }

    #expect([throttled, frozen, pinging] == [.seconds(600), .seconds(75), .seconds(600)])
}
