import Addresses
import Bytes
import ICE
import STUN
import Testing
import Time

struct ICELiteAgentTests {
    private let node = TestAgent()

    @Test func `a good check is answered with the address it came from, signed`() throws {
        let (outcome, bytes) = node.agent.receive(try check(), path(5_000))
        #expect(outcome == .answered(ICEChange(isNew: true)))
        let answer = try STUNMessage(parsing: bytes.span.raw)
        let (header, isMarked) = (answer.header, answer.hasFingerprint)
        let mapped = try answer.xorMappedAddress()
        let isSigned = answer.verify(.sha1, STUNKey(password: nodeCredentials.password))
        #expect(header == STUNHeader(.success, .binding, TransactionID(high: 7, low: 1)))
        #expect(mapped == path(5_000).remote)
        #expect(isSigned && isMarked)
        #expect(node.agent.isValid(path(5_000)))
        #expect(node.agent.selected == nil)
        #expect(node.agent.best == path(5_000))
    }

    @Test func `what is not good is answered with the code of its RFC`() throws {
        let plain = try [UInt8](capacity: 100) { (output) throws(STUNError) in
            _ = try STUNWriter(STUNHeader(.request, .binding, TransactionID(high: 1, low: 1)), to: &output)
        }
        let stranger = ICECredentials(ufrag: "stranger", password: nodeCredentials.password)
        let guesser = ICECredentials(ufrag: nodeCredentials.ufrag, password: "a password that is wrong")
        let odd = try check { (writer, output) throws(STUNError) in
            try writer.add(STUNAttributeType(rawValue: 0x7777), uint32: 1, to: &output)
        }
        let controlled = try check(nominates: true) { (writer, output) throws(STUNError) in
            try writer.add(.iceControlled, uint64: 1, to: &output)
        }
        let cases: [([UInt8], STUNErrorCode)] = [
            (plain, .badRequest), (try check(to: stranger), .unauthenticated),
            (try check(to: guesser), .unauthenticated), (odd, .unknownAttribute), (controlled, .roleConflict),
        ]
        for (message, code) in cases {
            let (outcome, bytes) = node.agent.receive(message, path(1))
            #expect(outcome == .refused(code))
            let answer = try STUNMessage(parsing: bytes.span.raw)
            let (header, isSigned, stated) = (answer.header, answer.hasIntegrity(.sha1), try answer.errorCode())
            #expect(header.messageClass == .failure)
            #expect(stated == code)
            // What strangers get is not signed.
            #expect(isSigned == (code == .unknownAttribute || code == .roleConflict))
        }
        #expect(!node.agent.isValid(path(1)))
    }

    @Test func `answers, indications, other methods and rubbish are dropped`() throws {
        for (messageClass, method, drop) in [
            (STUNClass.success, STUNMethod.binding, ICEDrop.notARequest), (.failure, .binding, .notARequest),
            (.indication, .binding, .notARequest), (.request, .allocate, .otherMethod),
        ] {
            let bytes = try [UInt8](capacity: 100) { (output) throws(STUNError) in
                _ = try STUNWriter(STUNHeader(messageClass, method, TransactionID(high: 1, low: 1)), to: &output)
            }
            let (outcome, answer) = node.agent.receive(bytes, path(1))
            #expect(outcome == .dropped(drop))
            #expect(answer.isEmpty)
        }
        let good = try check()
        for length in 0..<good.count {
            #expect(node.receive(Array(good[..<length]), path(1)) == .dropped(.malformed))
        }
    }

    @Test func `the path nominated last is selected, so a new mapping of a NAT is followed`() throws {
        #expect(node.receive(try check(nominates: true), path(1)) == .answered(ICEChange(isNew: true, nominated: true)))
        #expect(node.receive(try check(nominates: true), path(1)) == .answered(ICEChange()))
        #expect(node.receive(try check(), path(2)) == .answered(ICEChange(isNew: true)))
        #expect(node.agent.selected == path(1))
        #expect(node.receive(try check(nominates: true), path(2)) == .answered(ICEChange(nominated: true)))
        #expect(node.agent.selected == path(2))
        #expect(node.agent.isValid(path(1)))
    }

    @Test func `a silent peer is lost after 30 s, and media counts as life`() throws {
        _ = node.receive(try check(nominates: true), path(1), .zero + .seconds(1))
        node.agent.heard(now: .zero + .seconds(20))
        node.agent.heard(now: .zero + .seconds(10))
        let due = Instant.zero + .seconds(50)
        #expect(node.agent.nextDeadline == due)
        #expect(node.timeout(due - .milliseconds(1)) == nil)
        #expect(node.timeout(due) == .lost(everConnected: true))
        #expect(node.agent.nextDeadline == nil)
        #expect(node.timeout(due + .seconds(100)) == nil)
    }

    @Test func `a peer that never comes is lost too`() {
        #expect(node.timeout(.zero + .seconds(30)) == .lost(everConnected: false))
    }

    @Test func `a restart leaves the old credentials good until the new ones nominate`() throws {
        _ = node.receive(try check(nominates: true), path(1))
        node.agent.restart(local: newNodeCredentials, remote: newPeerCredentials, now: .zero + .seconds(5))
        #expect(node.receive(try check(), path(1)) == .answered(ICEChange()))
        let fresh = try check(from: newPeerCredentials, to: newNodeCredentials)
        #expect(node.receive(fresh, path(9)) == .answered(ICEChange(isNew: true)))
        #expect(node.receive(try check(), path(1)) == .answered(ICEChange()))
        #expect(node.agent.local == nodeCredentials)
        #expect(node.agent.selected == path(1))

        let nominating = try check(from: newPeerCredentials, to: newNodeCredentials, nominates: true)
        #expect(node.receive(nominating, path(9)) == .answered(ICEChange(nominated: true, restarted: true)))
        #expect(node.agent.local == newNodeCredentials)
        #expect(node.agent.remote == newPeerCredentials)
        #expect(node.agent.selected == path(9))
        #expect(node.receive(try check(), path(1)) == .refused(.unauthenticated))
    }

    @Test func `valid paths are few, and the selected one stays`() throws {
        _ = node.receive(try check(nominates: true), path(1), .zero)
        for port in 2...8 as ClosedRange<UInt16> {
            _ = node.receive(try check(), path(port), .zero + .milliseconds(Int64(port)))
        }
        let ninth = node.receive(try check(), path(9), .zero + .seconds(1))
        #expect(ninth == .answered(ICEChange(isNew: true, evicted: path(2))))
        #expect(!node.agent.isValid(path(2)))
        #expect(node.agent.isValid(path(1)))
    }

    @Test func `a closed TCP connection gives way to the other path`() throws {
        _ = node.receive(try check(), path(1), .zero + .seconds(1))
        _ = node.receive(try check(nominates: true), path(2, .tcp), .zero + .seconds(2))
        #expect(!node.closed(path(3, .tcp)))
        #expect(node.closed(path(2, .tcp)))
        #expect(node.agent.selected == nil)
        #expect(node.agent.best == path(1))
    }

    @Test func `no answer is written by half`() throws {
        let message = try check()
        var outcome: ICEOutcome?
        let written = [UInt8](capacity: 100) { (output) throws(Never) in
            outcome = node.agent.receive(message.span.raw, path: path(1), now: .zero, to: &output)
        }
        #expect(outcome == .dropped(.noRoom))
        #expect(written.isEmpty)
        #expect(!node.agent.isValid(path(1)))
    }

    @Test func `a check says whom it is for`() throws {
        let message = try check()
        #expect(ICEUfrag(of: message.span.raw) == nodeCredentials.key)
        #expect(nodeCredentials.key != nil)
        let short = try check(to: ICECredentials(ufrag: "short", password: "x"))
        #expect(ICEUfrag(of: short.span.raw) == nil)
        let empty: [UInt8] = []
        #expect(ICEUfrag(of: empty.span.raw) == nil)
    }

    @Test func `credentials of ours are well formed and differ`() {
        var random = Seeded(state: 3)
        let credentials = (0..<100).map { _ in ICECredentials.random(using: &random) }
        #expect(Set(credentials).count == 100)
        #expect(credentials.allSatisfy { $0.isWellFormed && $0.key != nil })
        #expect(!ICECredentials(ufrag: "abc", password: nodeCredentials.password).isWellFormed)
        #expect(!ICECredentials(ufrag: "abc:", password: nodeCredentials.password).isWellFormed)
    }
}
