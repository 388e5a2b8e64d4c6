import Foundation
import Glibc
import ServiceKit

/// Asks a process whether it is ready.
enum Probe {
    /// A process on this host that does not answer in this time is not well; the main loop waits meanwhile.
    static let patience = 300

    enum Answer: Equatable {
        case ready
        case notReady(reason: String)
    }

    static func redis(socket path: String) -> Answer {
        guard let descriptor = Sockets.unix(path, milliseconds: patience) else {
            return .notReady(reason: "does not listen yet")
        }
        defer { close(descriptor) }
        return Sockets.ask(descriptor, "PING\r\n") == "+PONG\r\n" ? .ready : .notReady(reason: "does not answer PING")
    }

    static func service(admin: HostPort) -> Answer {
        guard let descriptor = Sockets.tcp(admin, milliseconds: patience) else {
            return .notReady(reason: "its admin address does not listen")
        }
        defer { close(descriptor) }
        let request = "GET /readyz HTTP/1.1\r\nhost: \(admin)\r\nconnection: close\r\n\r\n"
        guard let answer = Sockets.ask(descriptor, request) else { return .notReady(reason: "/readyz does not answer") }
        // "HTTP/1.1 200 OK": the second word is the status.
        if answer.split(separator: " ").dropFirst().first == "200" { return .ready }
        let body = answer.components(separatedBy: "\r\n\r\n").dropFirst().joined()
        guard let report = try? JSONDecoder().decode(Report.self, from: Data(body.utf8)) else {
            return .notReady(reason: "/readyz answers without a reason")
        }
        let reasons = report.conditions.compactMap { name, reason in reason.map { "\(name): \($0)" } }
        return .notReady(reason: reasons.sorted().joined(separator: "; "))
    }

    private struct Report: Decodable {
        var conditions: [String: String?]
    }
}
