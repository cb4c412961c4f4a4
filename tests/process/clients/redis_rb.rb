# redis-rb as a child of the tests: one command a line on its input, one answer a line.
#
# The first argument is JSON: {"cluster": bool, "ports": [...], "options": {...}}. Answers are
# "ok VALUE" or "error TEXT"; the first one says whether the client could be made.
require 'json'
require 'redis'

$stdout.sync = true
setup = JSON.parse(ARGV[0], symbolize_names: true)

def answer
  text = "ok #{yield}"
rescue StandardError => e
  text = "error #{e.class}: #{e.message}"
ensure
  puts text.tr("\n", ' ')
end

client = nil
answer do
  nodes = setup[:ports].map { |port| "redis://127.0.0.1:#{port}" }
  where = setup[:cluster] ? { cluster: nodes } : { url: nodes.first }
  client = Redis.new(**where, **setup[:options])
  Redis::VERSION
end
STDIN.each_line do |line|
  command, *arguments = line.split
  answer { client.public_send(command.downcase, *arguments) }
end
