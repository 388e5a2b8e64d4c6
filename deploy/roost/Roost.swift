import ArgumentParser
import ServiceKit

/// The operator's command.
@main
struct Roost: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost", abstract: "Runs and looks after a Roost video-calling cluster.",
        version: RoostVersion.text,
        subcommands: [Up.self, Status.self, Nodes.self, Drain.self, Ready.self, Doctor.self])
}

/// Starts everything on this host and keeps it running.
struct Up: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts Redis and all services on this host, and restarts what dies, until Ctrl-C.")

    @OptionGroup var options: ClusterOptions

    func run() throws {
        do throws(ServiceFailure) {
            let plan = try Plan(options: options)
            try Preflight.check(plan)
            try Supervisor.run(plan)
        } catch {
            throw CommandFailure(error)
        }
    }
}

/// Shows what `roost up` runs.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what roost up runs in a run folder, as its state.json says.")

    @Option(help: "The run folder given to roost up.") var runDir = ".run"

    func run() throws {
        do throws(ServiceFailure) {
            print(try StateFile.read(from: runDir).table, terminator: "")
        } catch {
            throw CommandFailure(error)
        }
    }
}

/// Asks one service whether it is ready, for container health checks.
struct Ready: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks a service on this host whether it is ready; ends with 1 and the reason if not.")

    @Argument(help: "The service's id; ROOST_ID unless given.") var id: String?
    @Option(help: "Its run folder; else ROOST_RUN_DIR, .run or /run/roost.") var runDir: String?

    func run() throws {
        guard let id = id ?? environmentValue("ROOST_ID") else {
            throw ValidationError("Name the service, as an argument or in ROOST_ID.")
        }
        let folder =
            runDir ?? environmentValue("ROOST_RUN_DIR")
            ?? (readFile(".run/\(id).admin") == nil ? "/run/roost" : ".run")
        let path = "\(folder)/\(id).admin"
        guard let text = readFile(path), let admin = try? HostPort(parsing: text.filter { !$0.isWhitespace }) else {
            throw CommandFailure(ServiceFailure("no \(path): \(id) does not run there, or has just begun to start."))
        }
        switch Probe.service(admin: admin) {
        case .ready: print("\(id) is ready")
        case .notReady(let reason): throw CommandFailure(ServiceFailure("\(id) is not ready: \(reason)"))
        }
    }
}

/// Says what would keep `roost up` from working.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks what roost up needs: programs, Redis, ports, run folder.")

    @OptionGroup var options: ClusterOptions

    func run() throws {
        let plan: Plan
        do throws(ServiceFailure) {
            plan = try Plan(options: options)
        } catch {
            throw CommandFailure(error)
        }
        let problems = Preflight.problems(of: plan)
        for problem in problems { print("wrong: \(problem)") }
        guard problems.isEmpty else { throw ExitCode(1) }
        print("All is well: roost up can start \(plan.programs.count) processes.")
    }
}

/// Prints as `roost: …` rather than as a usage error.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String
    init(_ failure: ServiceFailure) { description = failure.message }
}
