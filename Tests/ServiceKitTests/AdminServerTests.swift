import Foundation
import ServiceKit
import Testing

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

private func get(_ address: HostPort, _ path: String, method: String = "GET") async throws -> (
    status: Int, body: String
) {
    var request = URLRequest(url: try #require(URL(string: "http://\(address)\(path)")))
    request.httpMethod = method
    let (data, response) = try await URLSession.shared.data(for: request)
    let status = try #require(response as? HTTPURLResponse).statusCode
    return (status, String(decoding: data, as: UTF8.self))
}

@Test func `the admin server tells health, readiness and metrics`() async throws {
    let metrics = MetricsRegistry()
    metrics.counter("roost_n_total", "N.").increment()
    let readiness = Readiness()
    let redis = readiness.condition("redis", waitingFor: "the first connection")
    let server = try await AdminServer(
        service: "test", address: HostPort(host: "127.0.0.1", port: 0), metrics: metrics, readiness: readiness)

    #expect(try await get(server.address, "/healthz") == (200, "ok\n"))
    #expect(try await get(server.address, "/readyz").status == 503)
    #expect(try await get(server.address, "/readyz").body.contains("the first connection"))
    redis.ready()
    #expect(try await get(server.address, "/readyz?x").status == 200)
    #expect(try await get(server.address, "/metrics").body.contains("roost_n_total 1\n"))
    #expect(try await get(server.address, "/else").status == 404)
    #expect(try await get(server.address, "/metrics", method: "POST").status == 405)
    await server.close()
}

@Test func `an occupied admin address is named with its flag`() async throws {
    let any = HostPort(host: "127.0.0.1", port: 0)
    let first = try await AdminServer(service: "test", address: any, metrics: MetricsRegistry(), readiness: Readiness())

    do {
        _ = try await AdminServer(
            service: "test", address: first.address, metrics: MetricsRegistry(), readiness: Readiness())
        Issue.record("the address was taken twice")
    } catch {
        #expect(error.message.hasPrefix("test: cannot bind tcp \(first.address): address in use."))
        #expect(error.message.contains("--admin-listen"))
    }
    await first.close()
}
