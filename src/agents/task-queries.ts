import { z } from 'zod'
import type { Db } from '../db/db.ts'

const AgentTask = z.object({
  jobId: z.string(),
  sshKeyId: z.string(),
  bodyHash: z.instanceof(Buffer),
  conversationId: z.string().nullable(),
})
type AgentTask = z.output<typeof AgentTask>

export async function insertTask(tx: Db, task: AgentTask): Promise<void> {
  await tx.run(`insert into agent_tasks (job_id, ssh_key_id, body_hash, conversation_id) values ($1, $2, $3, $4)`, [
    task.jobId,
    task.sshKeyId,
    task.bodyHash,
    task.conversationId,
  ])
}

export function listTasks(db: Db, sshKeyId: string, jobIds: readonly string[]): Promise<AgentTask[]> {
  return db.many(AgentTask, `select * from agent_tasks where ssh_key_id = $1 and job_id = any($2)`, [sshKeyId, jobIds])
}
