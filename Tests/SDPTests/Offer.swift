import Foundation
import SDP

/// An offer that a browser made; see `Offers/README.md`.
func offer(_ name: String) throws -> String {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Offers/\(name).sdp")
    return try String(contentsOf: file, encoding: .utf8)
}

/// The node's side in tests; `ufrag` tells restarts apart.
func transport(ufrag: String = "node") -> LocalTransport {
    LocalTransport(
        ice: ICECredentials(ufrag: ufrag, password: "0123456789abcdefghijkl"),
        fingerprints: [Fingerprint(hash: "sha-256", bytes: Array(0..<32))],
        candidates: [
            CandidateDescription(
                foundation: "1", transport: .udp, priority: 2_130_706_431, address: "192.0.2.1", port: 40_000),
            CandidateDescription(
                foundation: "2", transport: .tcp, priority: 1_671_430_143, address: "192.0.2.1", port: 40_000,
                tcpType: .passive),
        ])
}

/// Answers with SSRCs that count up from 1000 on.
struct TestNode {
    var negotiator = Negotiator()
    var session: NegotiatedSession?
    private(set) var requests: [SlotRequest] = []
    private var nextSSRC: UInt32 = 1_000

    init(_ negotiator: Negotiator = Negotiator()) { self.negotiator = negotiator }

    mutating func answer(_ offer: SessionDescription, ufrag: String = "node") throws(NegotiationError) -> Answer {
        var asked: [SlotRequest] = []
        var ssrc = nextSSRC
        let answer = try negotiator.answer(offer, local: transport(ufrag: ufrag), previous: session, sessionID: 7) {
            request in
            asked.append(request)
            ssrc += 2
            return SlotSource(request, ssrc: ssrc, rtx: request.kind == .video ? ssrc + 1 : nil)
        }
        nextSSRC = ssrc
        requests = asked
        session = answer.session
        return answer
    }

    mutating func answer(_ text: String, ufrag: String = "node") throws -> Answer {
        try answer(SessionDescription(parsing: text), ufrag: ufrag)
    }
}
