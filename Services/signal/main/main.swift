import Signal

await SignalService.run()
