import Signal
import Testing
import Time

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
private let body = Array("{\"type\":\"x\"}".utf8)

@Test func `messages are numbered from one, and written while the client is here`() {
    var session = SessionMachine()

    let first = session.push(body)
    let second = session.push(body)

    #expect(first == .write(Array("{\"seq\":1,\"type\":\"x\"}".utf8)))
    #expect(second == .write(Array("{\"seq\":2,\"type\":\"x\"}".utf8)))
}

@Test func `a client that comes back gets what it missed, and nothing twice`() {
    var session = SessionMachine()
    _ = session.push(body)
    session.socketLost(now: .zero)

    let value1 = session.push(body)
    #expect(value1 == .kept)
    let value2 = session.push(body)
    #expect(value2 == .kept)
    let value3 = session.resumed(after: 1)?.map(text)
    #expect(value3 == ["{\"seq\":2,\"type\":\"x\"}", "{\"seq\":3,\"type\":\"x\"}"])
    session.acknowledge(2)
    let value4 = session.resumed(after: 3)
    #expect(value4 == [])
}

@Test func `a position that was acknowledged long ago, or never given out, cannot be resumed`() {
    var session = SessionMachine()
    for _ in 0..<5 { _ = session.push(body) }
    session.acknowledge(4)

    let value5 = session.resumed(after: 2)
    #expect(value5 == nil)
    let value6 = session.resumed(after: 6)
    #expect(value6 == nil)
    let value7 = session.resumed(after: 4)?.count
    #expect(value7 == 1)
}

@Test func `a session ends thirty seconds after its socket`() {
    var session = SessionMachine()
    session.socketLost(now: .zero + .seconds(10))

    #expect(session.nextDeadline == .zero + .seconds(40))
    #expect(!session.isOver(now: .zero + .seconds(39)))
    #expect(session.isOver(now: .zero + .seconds(40)))
    _ = session.resumed(after: 0)
    #expect(session.nextDeadline == nil)
}

@Test func `a client that acknowledges nothing is cut before its messages fill the memory`() {
    var limits = SessionLimits()
    limits.frames = 3
    var frames = SessionMachine(limits: limits)
    limits.frames = 1_000
    limits.bytes = 90
    var bytes = SessionMachine(limits: limits)

    let many = (0..<4).map { _ in frames.push(body) }
    let large = (0..<6).map { _ in bytes.push(body) }

    #expect(many.last == .overflow)
    #expect(large.last == .overflow)
}

@Test func `a repeated request gets the same answer and is not run again`() {
    var session = SessionMachine()
    let answer = Array("{}".utf8)

    let value8 = session.begin(7)
    #expect(value8 == .run)
    let value9 = session.begin(7)
    #expect(value9 == .wait)
    let value10 = session.answered(7, answer)
    #expect(value10)
    let value11 = session.begin(7)
    #expect(value11 == .repeatAnswer(answer))
}

@Test func `a client may not have endless requests open`() {
    var limits = SessionLimits()
    limits.openRequests = 2
    var session = SessionMachine(limits: limits)

    let value12 = session.begin(1)
    #expect(value12 == .run)
    let value13 = session.begin(2)
    #expect(value13 == .run)
    guard case .refuse(let error) = session.begin(3) else {
        Issue.record("the third was let in")
        return
    }
    #expect(error.code == .tooMany)
}

@Test func `a session that moves to another signal goes on in its numbering`() {
    var old = SessionMachine()
    for _ in 0..<4 { _ = old.push(body) }
    let frames = old.unacknowledged(after: 2) ?? []
    var new = SessionMachine(lastSeq: 2)
    new.adopt(frames)

    #expect(new.lastSeq == 4)
    #expect(new.unacknowledged(after: 2)?.map(text) == ["{\"seq\":3,\"type\":\"x\"}", "{\"seq\":4,\"type\":\"x\"}"])
    let value14 = new.push(body)
    #expect(value14 == .write(Array("{\"seq\":5,\"type\":\"x\"}".utf8)))
}
