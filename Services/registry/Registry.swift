import Bus
import Logging
import Messages
import ServiceKit
import ServiceLifecycle
import Store
import Time

/// The registry as a process: its parts, in the order in which they start.
public enum Registry {
    /// Runs a registry until SIGTERM.
    public static func main() async -> Never {
        await ServiceMain.run(
            kind: "registry", summary: "places rooms on nodes", keys: RegistryKeys.all, check: problems
        ) { context in
            let store = RedisStore(url: context.configuration[RegistryKeys.redis], logger: context.logger)
            let secrets = try secrets(context)
            let cluster = Cluster(
                id: context.id, store: store, secrets: secrets, logger: context.logger,
                expectedNodes: context.configuration[RegistryKeys.expectedNodes])
            var router = BusRouter()
            router.add(registry: RegistryService(cluster: cluster))
            let addresses = try context.busListen.map { try BusAddress(parsing: $0) }
            let server = BusServer(addresses: addresses, router: router, name: context.id, logger: context.logger)
            measure(cluster, context)
            return [
                RedisPart(store: store), ClusterPart(cluster: cluster, readiness: context.readiness),
                BusPart(server: server, cluster: cluster),
            ]
        }
    }

    /// What is wrong with values that are each well formed.
    private static func problems(_ configuration: ServiceConfiguration) -> [String] {
        guard let path = configuration[RegistryKeys.turnSecretFile] else { return [] }
        do {
            _ = try TurnSecrets(
                path: path, key: RegistryKeys.turnSecretFile.name,
                lifetime: Interval(configuration[RegistryKeys.turnCredentialLifetime]),
                logger: Logger(label: "check") { _ in SwiftLogNoOpLogHandler() })
            return []
        } catch {
            return ["\(error)"]
        }
    }

    private static func secrets(_ context: ServiceContext) throws -> TurnSecrets? {
        guard let path = context.configuration[RegistryKeys.turnSecretFile] else {
            context.logger.notice(
                "clients are given no TURN servers, only STUN",
                metadata: ["reason": "--\(RegistryKeys.turnSecretFile.name) is not set"])
            return nil
        }
        let secrets = try TurnSecrets(
            path: path, key: RegistryKeys.turnSecretFile.name,
            lifetime: Interval(context.configuration[RegistryKeys.turnCredentialLifetime]), logger: context.logger)
        context.reload.add("turn secret file") { try secrets.reload() }
        return secrets
    }

    private static func measure(_ cluster: Cluster, _ context: ServiceContext) {
        let nodes = context.metrics.gauge(
            "roost_registry_nodes", "Nodes known, by kind and state.", labels: ["kind", "state"])
        let attached = context.metrics.gauge("roost_registry_attached_nodes", "Nodes attached to this registry.")
        let frozen = context.metrics.gauge("roost_registry_placement_frozen", "1 while placement is frozen.")
        let redis = context.metrics.gauge("roost_registry_redis_up", "1 while Redis answers.")
        context.metrics.onScrape {
            attached.set(Double(cluster.attachedCount))
            frozen.set(cluster.frozen == nil ? 0 : 1)
            redis.set(cluster.outage == nil ? 1 : 0)
            for (labels, count) in cluster.census { nodes.set(Double(count), [labels.kind, labels.state]) }
        }
    }
}

/// Keeps the connections to Redis.
private struct RedisPart: Service {
    let store: RedisStore

    func run() async throws { await cancelWhenGracefulShutdown { await store.run() } }
}

/// Watches the cluster, and says at `/readyz` what is amiss.
private struct ClusterPart: Service {
    let cluster: Cluster
    let readiness: Readiness

    func run() async throws {
        let redis = readiness.condition("redis", waitingFor: "the first answer of Redis")
        let placement = readiness.condition("placement", waitingFor: "the first answer of Redis")
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await cluster.run() }
                while !Task.isCancelled {
                    if let outage = cluster.outage { redis.notReady(outage) } else { redis.ready() }
                    if let frozen = cluster.frozen {
                        placement.notReady("frozen: \(frozen)")
                    } else if cluster.outage != nil {
                        placement.notReady("rooms that are placed are answered from memory, new ones wait for Redis")
                    } else if let settling = cluster.settling {
                        placement.notReady("nothing is placed yet: \(settling)")
                    } else {
                        placement.ready()
                    }
                    // Often enough for whoever polls /readyz each second.
                    try? await Task.sleep(for: .milliseconds(100))
                }
                group.cancelAll()
            }
        }
    }
}

/// Answers on the bus; at a drain its streams end, which says nothing about their nodes.
private struct BusPart: Service {
    let server: BusServer
    let cluster: Cluster

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await server.run()
        } onGracefulShutdown: {
            cluster.drain()
            Task { await server.drain() }
        }
    }
}
