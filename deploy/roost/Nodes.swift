import ArgumentParser
import Bus
import Dispatch
import Glibc
import Logging
import Messages
import ServiceKit
import Synchronization

/// Where registries are asked.
struct RegistryOptions: ParsableArguments {
    @Option(help: "Bus addresses of registries; ROOST_REGISTRY unless given, else those of the run folder.")
    var registry: String?
    @Option(help: "The run folder given to roost up, or of a registry on this host.") var runDir = ".run"

    /// Their addresses, in the order of asking.
    func addresses() throws(ServiceFailure) -> [BusAddress] {
        let text = registry ?? environmentValue("ROOST_REGISTRY") ?? found()
        do throws(BusAddressError) {
            let addresses = try BusAddress.list(parsing: text)
            if !addresses.isEmpty { return addresses }
        } catch {
            throw ServiceFailure("\(text) is no list of bus addresses: \(error). Give --registry unix:PATH,…")
        }
        throw ServiceFailure(
            "no registry's socket in \(absolutePath(runDir)): does roost up run there? Name the folder with --run-dir, "
                + "or the registries with --registry unix:PATH,…")
    }

    private func found() -> String {
        let folders = [absolutePath(runDir), Plan.socketFolder(for: absolutePath(runDir))]
        let paths = folders.flatMap { folder in (1...16).map { "\(folder)/registry-\($0).sock" } }
        return paths.filter { isAccessible($0, R_OK) }.map { "unix:\($0)" }.joined(separator: ",")
    }
}

/// Shows the cluster's nodes.
struct Nodes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the sfu-nodes and turn servers that registries know: live or not, draining, load.")

    @OptionGroup var options: RegistryOptions

    func run() throws {
        let response = try ask(options) { registry throws(BusStatus) in
            try await registry.listNodes(Roost_Registry_V1_ListNodesRequest())
        }
        print(NodeTable(response).text, terminator: "")
    }
}

/// Takes a node out of service, or back.
struct Drain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Takes a node off the lists: it gets no new rooms, or no new clients. What it has goes on.")

    @Argument(help: "The node's id, such as turn-1; roost nodes shows them.") var node: String
    @Flag(help: "Puts it back.") var undo = false
    @OptionGroup var options: RegistryOptions

    func run() throws {
        var request = Roost_Registry_V1_DrainNodeRequest()
        request.nodeID = node
        request.draining = !undo
        _ = try ask(options) { [request] registry throws(BusStatus) in try await registry.drainNode(request) }
        print(undo ? "\(node) is back in service." : "\(node) drains. Take it back with roost drain \(node) --undo.")
    }
}

/// Makes a call while this thread waits: these commands have nothing else to do.
private func ask<Value: Sendable>(
    _ options: RegistryOptions,
    _ call: @escaping @Sendable (Roost_Registry_V1_RegistryClient) async throws(BusStatus) -> Value
) throws -> Value {
    let addresses: [BusAddress]
    do throws(ServiceFailure) { addresses = try options.addresses() } catch { throw CommandFailure(error) }
    let answer = Answer<Value>()
    let done = DispatchSemaphore(value: 0)
    Task.detached {
        let client = BusClient(addresses: addresses, logger: Logger(label: "roost") { _ in SwiftLogNoOpLogHandler() })
        let connection = Task { try await client.run() }
        do throws(BusStatus) {
            let value = try await call(Roost_Registry_V1_RegistryClient(caller: client))
            answer.result.withLock { $0 = .success(value) }
        } catch {
            answer.result.withLock { $0 = .failure(error) }
        }
        connection.cancel()
        done.signal()
    }
    done.wait()
    switch answer.result.withLock({ $0 }) {
    case .success(let value): return value
    case .failure(let status):
        let places = addresses.map { "\($0)" }.joined(separator: ", ")
        throw CommandFailure(ServiceFailure("\(status.code): \(status.message) (asked at \(places))"))
    case nil: preconditionFailure("the call ended without an answer")
    }
}

private final class Answer<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, BusStatus>?>(nil)
}

/// The nodes as lines to read.
struct NodeTable {
    let text: String

    init(_ response: Roost_Registry_V1_ListNodesResponse) {
        var rows = [["NODE", "KIND", "STATE", "REGION", "CPU", "LOAD", "VERSION"]]
        for state in response.nodes {
            let node = state.node
            let isTurn = node.kind == .turn
            rows.append([
                node.nodeID, isTurn ? "turn" : "sfu-node",
                state.live ? (state.draining ? "draining" : "live") : "gone", node.region,
                "\(Int((state.load.cpu * 100).rounded()))%",
                isTurn
                    ? "\(state.load.allocations) allocations"
                    : "\(state.load.rooms) rooms, \(state.load.members) members",
                node.version,
            ])
        }
        let widths = (0..<rows[0].count).map { column in rows.map { $0[column].count }.max() ?? 0 }
        var text = ""
        for row in rows {
            let line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            text += line.joined(separator: "  ").trimmedAtEnd + "\n"
        }
        if response.placementFrozen { text += "Placement is frozen: see /readyz of a registry.\n" }
        self.text = text
    }
}

extension String {
    fileprivate var trimmedAtEnd: String { String(reversed().drop { $0 == " " }.reversed()) }
}
