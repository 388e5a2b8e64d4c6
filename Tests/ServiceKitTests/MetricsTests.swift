import ServiceKit
import Testing

@Test func `metrics are written in Prometheus text, sorted`() {
    let metrics = MetricsRegistry()
    let calls = metrics.counter("roost_calls_total", "Calls.", labels: ["result"])
    calls.increment(["ok"])
    calls.increment(by: 2, ["a \"b\"\\\n"])
    metrics.gauge("roost_a", "A \\ line\nfeed.").set(-1.5)
    let times = metrics.histogram("roost_time_seconds", "Times.", buckets: [0.1, 1])
    for value in [0.1, 0.5, 7] { times.observe(value) }

    #expect(
        metrics.text() == """
            # HELP roost_a A \\\\ line\\nfeed.
            # TYPE roost_a gauge
            roost_a -1.5
            # HELP roost_calls_total Calls.
            # TYPE roost_calls_total counter
            roost_calls_total{result="a \\"b\\"\\\\\\n"} 2
            roost_calls_total{result="ok"} 1
            # HELP roost_time_seconds Times.
            # TYPE roost_time_seconds histogram
            roost_time_seconds_bucket{le="0.1"} 1
            roost_time_seconds_bucket{le="1"} 2
            roost_time_seconds_bucket{le="+Inf"} 3
            roost_time_seconds_sum 7.6
            roost_time_seconds_count 3

            """)
}

@Test func `labels beyond the limit are counted as other`() {
    let metrics = MetricsRegistry()
    let counter = metrics.counter("roost_x_total", "X.", labels: ["who"])

    for number in 0..<(MetricsRegistry.seriesLimit + 50) { counter.increment(["user \(number)"]) }
    counter.increment(["user 0"])

    let lines = metrics.text().split(separator: "\n")
    #expect(lines.count == 2 + MetricsRegistry.seriesLimit + 1)
    #expect(lines.contains(#"roost_x_total{who="other"} 50"#))
    #expect(lines.contains(#"roost_x_total{who="user 0"} 2"#))
}

@Test func `the same name gives the same metric, and hooks run before each reading`() {
    let metrics = MetricsRegistry()
    metrics.counter("roost_y_total", "Y.").increment()
    metrics.counter("roost_y_total", "Y.").increment()
    metrics.onScrape { [gauge = metrics.gauge("roost_z", "Z.")] in gauge.add(1) }

    _ = metrics.text()

    #expect(metrics.text().contains("\nroost_y_total 2\n"))
    #expect(metrics.text().hasSuffix("\nroost_z 3\n"))
}

@Test func `a removed series is gone`() {
    let metrics = MetricsRegistry()
    let gauge = metrics.gauge("roost_room", "R.", labels: ["room"])
    gauge.set(1, ["a"])
    gauge.set(1, ["b"])

    gauge.remove(["a"])

    #expect(metrics.text().split(separator: "\n").dropFirst(2) == [#"roost_room{room="b"} 1"#])
}

@Test func `readiness names each condition and its reason`() {
    let readiness = Readiness()
    let redis = readiness.condition("redis", waitingFor: "the first connection")
    let running = readiness.condition("running", waitingFor: "the start")

    running.ready()
    #expect(!readiness.isReady)
    #expect(readiness.json == #"{"ready":false,"conditions":{"redis":"the first connection","running":null}}"# + "\n")
    redis.ready()
    #expect(readiness.isReady)
    redis.notReady(#"lost: "gone""#)
    #expect(readiness.json == #"{"ready":false,"conditions":{"redis":"lost: \"gone\"","running":null}}"# + "\n")
}
