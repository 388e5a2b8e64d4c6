import Glibc

/// What every process tells of itself.
enum ProcessMetrics {
    static func register(in metrics: MetricsRegistry, kind: String, id: String) {
        metrics.gauge("roost_service_info", "One for each running instance.", labels: ["kind", "id"]).set(
            1, [kind, id])
        let cpu = metrics.counter("process_cpu_seconds_total", "CPU time used, user and system.")
        let memory = metrics.gauge("process_resident_memory_bytes", "Resident memory.")
        let files = metrics.gauge("process_open_fds", "Open file descriptors.")
        metrics.gauge("process_start_time_seconds", "Start, in seconds since 1970.").set(Double(time(nil)))
        metrics.onScrape {
            var usage = rusage()
            unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            cpu.set(total: seconds(usage.ru_utime) + seconds(usage.ru_stime))
            memory.set(Double(residentBytes()))
            files.set(Double(openFiles()))
        }
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }

    private static func residentBytes() -> Int {
        let descriptor = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        // The second field is the resident size in pages.
        let fields = bytes.prefix(max(0, count)).split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    private static func openFiles() -> Int {
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var count = 0
        while unsafe readdir(folder) != nil { count += 1 }
        // Two for "." and "..", one for the folder itself.
        return max(0, count - 3)
    }
}
