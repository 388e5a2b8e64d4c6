import Foundation
import ServiceKit

/// `state.json` in the run folder: what runs, for people, scripts and tests; written anew at each change.
struct StateFile: Codable, Equatable {
    struct Service: Codable, Equatable {
        var id: String
        var kind: String
        /// 0 while it does not run.
        var pid: Int32
        /// `starting`, `ready`, `not ready`, `restarting`, `stopping` or `stopped`.
        var state: String
        /// Why it is not ready; empty otherwise.
        var reason: String
        /// Address of its metrics and health; empty until known.
        var admin: String
        var restarts: Int
    }

    var url: String
    var services: [Service]

    func write(to folder: RunFolder) throws(ServiceFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { preconditionFailure("a state is always JSON") }
        try folder.write("state.json", String(decoding: data, as: UTF8.self) + "\n")
    }

    static func read(from path: String) throws(ServiceFailure) -> StateFile {
        guard let text = readFile("\(path)/state.json") else {
            throw ServiceFailure(
                "no \(path)/state.json: nothing runs there. Start it with roost up, or name the folder with --run-dir.")
        }
        do {
            return try JSONDecoder().decode(StateFile.self, from: Data(text.utf8))
        } catch {
            throw ServiceFailure("\(path)/state.json is not what this version writes: \(error).")
        }
    }

    /// For people.
    var table: String {
        var out = "\(url)\n"
        for service in services {
            let columns = [
                service.id.filled(to: 12), service.state.filled(to: 11), "pid \(service.pid)".filled(to: 12),
                "restarts \(service.restarts)".filled(to: 13),
                service.admin.isEmpty ? "" : "http://\(service.admin)/metrics",
                service.reason,
            ]
            out += columns.filter { !$0.isEmpty }.joined(separator: " ") + "\n"
        }
        return out
    }
}

extension String {
    func filled(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
