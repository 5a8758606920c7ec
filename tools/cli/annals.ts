#!/usr/bin/env node
import { main } from './main.js'
import { processTerminal } from './terminal.js'

const terminal = processTerminal()
// Not process.exit: what was written to a pipe must still arrive.
process.exitCode = await main(process.argv.slice(2), terminal)
terminal.close()
