import Glibc
import ServiceKit

/// What must be so before anything starts, so that an operator reads one clear sentence instead of six crashing processes.
enum Preflight {
    /// Refuses a plan that cannot work, with everything that is wrong.
    static func check(_ plan: Plan) throws(ServiceFailure) {
        let problems = problems(of: plan)
        guard problems.isEmpty else { throw ServiceFailure(problems.joined(separator: "\n")) }
    }

    /// A sentence or two each: what is wrong, and what to do.
    static func problems(of plan: Plan) -> [String] {
        var problems: [String] = []
        do throws(ServiceFailure) {
            let folder = try RunFolder(preparing: plan.runPath, key: "run-dir")
            // Taken and given back: an occupied folder explains the occupied ports, so nothing else needs to be said.
            _ = try ProcessFile("roost", in: folder, advice: Supervisor.takenAdvice)
        } catch {
            return [error.message]
        }
        if plan.externalRedis == nil, findOnPath("redis-server") == nil {
            problems.append(
                "redis-server is not on the PATH. Install it (apt-get install redis-server), "
                    + "or name one that runs with --external-redis URL.")
        }
        for program in plan.programs where program.kind != .redis && !isAccessible(program.path, X_OK) {
            let text = "\(program.path) is missing. Build it (make build), or name the folder with --programs."
            if !problems.contains(text) { problems.append(text) }
        }
        if !isAccessible("\(plan.webRoot)/.", R_OK) {
            problems.append("the pages' folder \(plan.webRoot) is missing. Name it with --web-root.")
        }
        for program in plan.programs {
            for port in program.ports {
                if let problem = problem(of: port, for: program) { problems.append(problem) }
            }
        }
        return problems
    }

    private static func problem(of port: Port, for program: Program) -> String? {
        let what = "\(port.transport.rawValue) port \(port.address.port), wanted by \(program.id), "
        switch Sockets.bindError(port) {
        case 0: return nil
        case EADDRINUSE:
            let list = port.transport == .tcp ? "-ltnp" : "-lunp"
            return what + "is occupied. Stop what holds it (ss \(list) 'sport = :\(port.address.port)'), "
                + "or choose another with --\(port.flag)."
        case EACCES: return what + "needs privileges. Choose one above 1023 with --\(port.flag)."
        case let number: return what + "cannot be used: \(errorText(number)). Choose another with --\(port.flag)."
        }
    }
}
