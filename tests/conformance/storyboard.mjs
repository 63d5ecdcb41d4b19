// Runs one storyboard with a test kit of our own, which the command line of the harness has no option for.
// Arguments: the storyboard, the address of the agent, a token. Prints how many steps passed, failed and were skipped.
import { getComplianceStoryboardById, runStoryboard } from "@adcp/sdk/testing";

const [name, address, token] = process.argv.slice(2);
const result = await runStoryboard(address, getComplianceStoryboardById(name), {
  protocol: "mcp",
  allow_http: true,
  auth: { type: "bearer", token },
  test_kit: { auth: { api_key: token, probe_task: "get_signals" } },
});
const steps = result.phases.flatMap((phase) => phase.steps);
console.log(
  JSON.stringify({
    ok: result.overall_passed,
    steps: steps.map((step) => ({ name: step.step_id, passed: step.passed, skipped: step.skip_reason ?? null })),
  }),
);
process.exit(0); // the harness keeps its connections open
