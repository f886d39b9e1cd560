# 1. Keep the state in the bucket
#    The region is part of the address, so that no other setting can lead elsewhere.
pulumi login 's3://myapp-pulumi-state-123456789012-us-east-1?region=us-east-1'

# 2. Make the stack, and tell it who it is
#    By stateBucket and stateKmsKeyArn the program lets the deploy role reach the state.
pulumi stack init staging --secrets-provider='awskms://alias/myapp-pulumi-staging?region=us-east-1'
pulumi config set --stack staging aws:region us-east-1
pulumi config set --stack staging --path 'aws:allowedAccountIds[0]' --type string 123456789012
pulumi config set --stack staging githubOwner example
pulumi config set --stack staging githubRepository myapp
pulumi config set --stack staging githubEnvironment staging
pulumi config set --stack staging stateBucket myapp-pulumi-state-123456789012-us-east-1
pulumi config set --stack staging stateKmsKeyArn "$(aws kms describe-key --region us-east-1 --key-id alias/myapp-pulumi-staging --query KeyMetadata.Arn --output text)"

# 3. Deploy it once, with your own credentials
#    It makes the roles that GitHub's jobs take on. Images are named by their commit, so the configuration is committed first.
git add Pulumi.staging.yaml && git commit --message 'Configure staging'
make preview STACK=staging
make up STACK=staging

# 4. Let jobs of the GitHub environment staging deploy, from main alone
#    The deploy role trusts a job that names this environment, so who may use the environment may deploy.
gh api --method PUT repos/example/myapp/environments/staging -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'
gh api --method POST repos/example/myapp/environments/staging/deployment-branch-policies -f name=main -f type=branch
gh variable set AWS_REGION --repo example/myapp --env staging --body us-east-1
gh variable set PULUMI_BACKEND_URL --repo example/myapp --env staging --body 's3://myapp-pulumi-state-123456789012-us-east-1?region=us-east-1'
gh variable set DEPLOY_ROLE_ARN --repo example/myapp --env staging --body "$(pulumi stack output deployRoleArn --stack staging)"

# 5. Let pull requests be previewed
#    Their jobs name no environment, so they read the variables of the repository. The preview role may read, and no more.
gh variable set AWS_REGION --repo example/myapp --body us-east-1
gh variable set PULUMI_BACKEND_URL --repo example/myapp --body 's3://myapp-pulumi-state-123456789012-us-east-1?region=us-east-1'
gh variable set PREVIEW_ROLE_ARN --repo example/myapp --body "$(pulumi stack output previewRoleArn --stack staging)"

# 6. If releases are to be told in Slack, give the webhook's address
#    gh asks for the value, so that it stands in no history of commands.
gh secret set SLACK_WEBHOOK_URL --repo example/myapp --env staging

